"""Everything that can be chosen about a model and its training: frozen and checked."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

ScheduleName = Literal["cosine", "linear", "sigmoid"]
PredictionName = Literal["x", "eps", "v"]
WeightingName = Literal["snr", "truncated-snr", "snr+1", "uniform", "sigmoid", "sigmoid-as-printed"]
SamplerName = Literal["ddim", "ddpm", "ddpm-large", "dpmpp2m", "heun"]
GridName = Literal["trailing", "uniform", "log-snr"]
PrecisionName = Literal["auto", "fp32", "bf16"]

# Strict, since "3" and true are no numbers of anything.
Positive = Annotated[int, Field(strict=True, gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkConfig(_Section):
    """The backbone; see `training.nets.unet.UNet` for the meaning of each."""

    image_channels: Positive = 3
    base_channels: Annotated[int, Field(strict=True, gt=0, multiple_of=2)] = 32
    multipliers: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 1, 2, 4)
    res_blocks: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 2, 3, 4)
    middle_blocks: Positive = 4
    heads: Positive = 1
    groups: Positive = 32
    patch: Positive = 1

    @model_validator(mode="after")
    def _levels_agree(self) -> NetworkConfig:
        if len(self.multipliers) != len(self.res_blocks):
            raise ValueError(
                f"network.multipliers has {len(self.multipliers)} levels and network.res_blocks has "
                f"{len(self.res_blocks)}; give one number per level in both"
            )
        if self.base_channels % self.groups:
            raise ValueError(f"network.groups = {self.groups} must divide network.base_channels = {self.base_channels}")
        bottom = self.base_channels * self.multipliers[-1]
        if bottom % self.heads:
            raise ValueError(f"network.heads = {self.heads} must divide the {bottom} channels of the lowest level")
        return self


class DiffusionConfig(_Section):
    """Schedule, prediction type and loss weighting.

    Parameters
    ----------
    schedule : shape of the noise over time; see `training.diffusion.schedule`
    input_scale : b of Eqs. 6-7, which shifts any schedule; smaller is noisier
    sigmoid_steepness : k of the sigmoid schedule
    log_snr_limit : log SNR stays within plus and minus this
    prediction : what the network's output means
    weighting : of the loss over noise levels, in x-space; "sigmoid-as-printed" has the sign of the paper's equation,
        which contradicts its text (``docs/adr/002-corrected-equations.md``)
    sigmoid_bias : b~ of the sigmoid weightings
    weight_derivative : multiply the weight by -d(log SNR)/dt
    weight_log_snr_limit : the weight is taken at log SNR within plus and minus this
    self_conditioning : the network also sees its previous estimate of the clean mask, at half of the visits in training
    image_dropout : share of the visits in training at which the image is withheld; what guidance needs
    """

    schedule: ScheduleName = "cosine"
    input_scale: Annotated[float, Field(strict=True, gt=0)] = 0.1
    sigmoid_steepness: Annotated[float, Field(strict=True, gt=0, le=20)] = 3.0
    log_snr_limit: Annotated[float, Field(strict=True, ge=0.1, le=30)] = 20.0
    prediction: PredictionName = "x"
    weighting: WeightingName = "truncated-snr"
    sigmoid_bias: Annotated[float, Field(strict=True, ge=-30, le=30)] = -6.0
    weight_derivative: StrictBool = False
    weight_log_snr_limit: Annotated[float, Field(strict=True, gt=0, le=30)] = 15.0
    self_conditioning: StrictBool = False
    image_dropout: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0


class SamplingConfig(_Section):
    """How the model draws unless it is told otherwise.

    Parameters
    ----------
    sampler : rule of a reverse step; see `training.diffusion.samplers`
    steps : of the grid; each costs one network call, "heun" two but for the last
    grid : how the times of the calls are spread; see `training.diffusion.grids`
    eta : share of fresh noise of "ddim", 0 is deterministic and 1 is "ddpm"
    guidance : classifier-free guidance; 1 is none, 0 ignores the image
    """

    sampler: SamplerName = "ddim"
    steps: Positive = 10
    grid: GridName = "trailing"
    eta: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0
    guidance: Annotated[float, Field(strict=True, ge=0, le=20)] = 1.0

    @model_validator(mode="after")
    def _eta_is_read(self) -> SamplingConfig:
        if self.eta and self.sampler != "ddim":
            raise ValueError(f"eta = {self.eta:g} means nothing to the sampler {self.sampler!r}; only ddim reads it")
        return self


class AugmentConfig(_Section):
    """How training slices are varied at each visit; see `training.fit.augment` for the conventions.

    Nothing happens by default, which is also what the cards written before there was augmentation mean.  The
    ranges are half-widths around "unchanged".

    Parameters
    ----------
    dihedral : flip and turn every slice by one of the 8 symmetries of the square
    probability : of each of three changes, drawn independently: rotation, scale and shift together; gamma;
        brightness and contrast together
    degrees : rotation in [-degrees, degrees]
    scale : magnification in [1 - scale, 1 + scale]
    shift : along each axis in [-shift, shift], as a share of the slice's side
    gamma : exponent in [1 - gamma, 1 + gamma]
    brightness : added, in [-brightness, brightness]
    contrast : factor in [1 - contrast, 1 + contrast]
    """

    dihedral: StrictBool = False
    probability: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0
    degrees: Annotated[float, Field(strict=True, ge=0, le=180)] = 20.0
    scale: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.1
    shift: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0625
    gamma: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.2
    brightness: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.2
    contrast: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.2

    @property
    def changes_nothing(self) -> bool:
        """Whether every slice stays as it is."""
        return not self.dihedral and self.probability == 0


class FitConfig(_Section):
    """The training run.

    Parameters
    ----------
    steps : of the optimizer, those of the warm-up and the decay included
    batch_size : slices per step, over all processes together
    learning_rate, weight_decay : of AdamW
    clip_norm : the gradient's norm is clipped to this
    warmup_steps : linear rise of the learning rate
    decay_steps : cosine fall to zero at the very end
    ema_decay : also keep an exponential moving average of the weights, and draw with it; 0 is off
    seed : names everything random
    precision : "fp32"; "bf16" for the network, with norms, loss and weights in float32; "auto" is "bf16" on a GPU
        that has it
    determinism : "fast"; "repeatable", the same bits again on the same machine; or "portable", "repeatable" in
        float32 without TF32, so that another machine or device differs by rounding alone
    log_every, checkpoint_every : steps
    keep_checkpoints : the newest so many
    validate_every : steps between validations, which score some cases of the val split; 0 is never
    validation_cases, validation_samples : how many, spread over the split, and masks drawn for each
    augment : how slices are varied
    """

    steps: Annotated[int, Field(strict=True, gt=0, le=10**9)] = 400_000
    batch_size: Positive = 8
    learning_rate: Annotated[float, Field(strict=True, gt=0, le=1)] = 1e-4
    weight_decay: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.01
    clip_norm: Annotated[float, Field(strict=True, gt=0)] = 1.0
    warmup_steps: Annotated[int, Field(strict=True, ge=0)] = 1000
    decay_steps: Annotated[int, Field(strict=True, ge=0)] = 100_000
    ema_decay: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = 0
    precision: PrecisionName = "auto"
    determinism: Literal["fast", "repeatable", "portable"] = "fast"
    log_every: Positive = 50
    checkpoint_every: Positive = 5000
    keep_checkpoints: Annotated[int, Field(strict=True, ge=2)] = 2
    validate_every: Annotated[int, Field(strict=True, ge=0)] = 0
    validation_cases: Positive = 64
    validation_samples: Annotated[int, Field(strict=True, ge=2)] = 4
    augment: AugmentConfig = AugmentConfig()

    @model_validator(mode="after")
    def _ramps_fit(self) -> FitConfig:
        if self.warmup_steps + self.decay_steps > self.steps:
            raise ValueError(
                f"fit.warmup_steps + fit.decay_steps = {self.warmup_steps} + {self.decay_steps} exceeds "
                f"fit.steps = {self.steps}"
            )
        if self.determinism == "portable" and self.precision == "bf16":
            raise ValueError("fit.precision = 'bf16' is not portable; choose fp32, or fit.determinism = 'repeatable'")
        return self


class Config(_Section):
    """A model and how it is trained.

    ``image_size`` is the side of the square that the network is trained on; from larger slices a random crop
    is taken at each step.
    """

    preset: str = "custom"
    image_size: Positive = 128
    network: NetworkConfig = NetworkConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    sampling: SamplingConfig = SamplingConfig()
    fit: FitConfig = FitConfig()

    @model_validator(mode="after")
    def _size_divides(self) -> Config:
        multiple = self.network.patch * 2 ** (len(self.network.multipliers) - 1)
        if self.image_size % multiple:
            raise ValueError(f"image_size = {self.image_size} must be a multiple of {multiple} for this network")
        return self

    @model_validator(mode="after")
    def _guidance_was_trained(self) -> Config:
        if self.sampling.guidance != 1 and self.diffusion.image_dropout == 0:
            raise ValueError(
                f"sampling.guidance = {self.sampling.guidance:g} needs a model that was also trained without images; "
                f"train it with diffusion.image_dropout = 0.1, or leave guidance at 1"
            )
        return self

    @property
    def cautions(self) -> tuple[str, ...]:
        """What is allowed, for the paper's ablations need it, but known to go wrong; each with its reason."""
        diffusion, found = self.diffusion, []
        clamp = min(diffusion.weight_log_snr_limit, diffusion.log_snr_limit)
        if diffusion.prediction == "x" and diffusion.weighting in ("snr", "truncated-snr", "snr+1") and clamp > 15:
            found.append(
                f"x-prediction with diffusion.weighting = {diffusion.weighting!r} weighs the clean end by up to SNR = "
                f"{math.exp(clamp):.1e}, so that single steps rule the training; diffusion.weight_log_snr_limit = 15 "
                f"tames it"
            )
        if diffusion.prediction == "eps" and diffusion.weighting in ("truncated-snr", "snr+1", "uniform"):
            found.append(
                f"eps-prediction with diffusion.weighting = {diffusion.weighting!r} weighs the noisy end by up to "
                f"1/SNR = {math.exp(clamp):.1e}; "
                f"'snr' is the plain error in eps"
            )
        at_noise = {"sigmoid": -diffusion.sigmoid_bias, "sigmoid-as-printed": diffusion.sigmoid_bias}
        highest = min(clamp, at_noise.get(diffusion.weighting, 0.0))
        if diffusion.prediction == "eps" and highest > math.log(1000):
            found.append(
                f"eps-prediction with diffusion.weighting = {diffusion.weighting!r} and diffusion.sigmoid_bias = "
                f"{diffusion.sigmoid_bias:g} weighs the noisy end by up to {math.exp(highest):.1e}; "
                f"a bias nearer to 0 tames it"
            )
        if diffusion.prediction == "eps" and diffusion.log_snr_limit > 10:
            found.append(
                f"eps-prediction with diffusion.log_snr_limit = {diffusion.log_snr_limit:g} multiplies errors by up to "
                f"{math.exp(diffusion.log_snr_limit / 2):.1e} at t = 1; 10 is where few steps become possible"
            )
        return tuple(found)
