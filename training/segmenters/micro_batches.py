"""The denoiser on as many samples at a time as suits the device, or as its memory allows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from training.device import is_out_of_memory
from training.diffusion.denoiser import Denoiser
from training.errors import DeviceError
from training.nets.unet import UNet
from training.precision import Precision, exactly


class MicroBatches:
    """Predicts the clean masks of any number of samples, a few at a time.

    Parameters
    ----------
    denoiser : on ``device``
    times : (T + 1,) float64 grid; what the network adds for each of its times is made here, once
    guidance : of classifier-free guidance; 1 is none
    precision : of the network
    device : where everything is
    size : samples that go through the network together, to begin with
    make_room : gives memory back that is only kept to be faster; True if there was any
    tell : gets a line each time that the size is halved

    Attributes
    ----------
    size : halved, for good, when memory runs out
    """

    def __init__(
        self,
        denoiser: Denoiser,
        times: Tensor,
        guidance: float,
        precision: Precision,
        device: torch.device,
        size: int,
        *,
        make_room: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.size = size
        self._make_room, self._tell = make_room, tell
        self._denoiser, self._guidance = denoiser, guidance
        self._precision, self._device = precision, device
        with torch.inference_mode(), exactly(device, "fp32"):
            backbone = denoiser.backbone
            assert isinstance(backbone, UNet)  # noqa: S101 -- the one backbone so far
            called = times[:-1].to(device)
            projections = [added.split(1) for added in backbone.projections(called.float())]
            self._at = {
                float(t): (called[i : i + 1], [added[i] for added in projections]) for i, t in enumerate(times[:-1])
            }

    def __call__(
        self,
        x_t: Tensor,
        t: Tensor,
        images: Tensor,
        x0_before: Tensor | None,
        between: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """The predicted clean masks, (B, 1, H, W) float32.

        Parameters
        ----------
        x_t : (B, 1, H, W) noisy masks
        t : one of the grid's times, without dimensions
        images : (B, 1, H, W) in [0, 1]
        x0_before : (B, 1, H, W) estimates of the state before, or None
        between : called before each call of the network; what it raises comes through

        Raises
        ------
        DeviceError
            If the memory does not suffice for one sample.
        """
        predicted: list[Tensor] = []
        done = 0
        while done < len(x_t):
            some = slice(done, done + self.size)
            before = None if x0_before is None else x0_before[some]
            between()
            part = self._predict(x_t[some], t, images[some], before)
            if part is None:
                self.shrink()
            else:
                predicted.append(part)
                done += len(part)
        return predicted[0] if len(predicted) == 1 else torch.cat(predicted)

    def shrink(self) -> None:
        """Make room, and where there is none to make halve the size for good.

        To be called where no exception holds the tensors that filled the memory.

        Raises
        ------
        DeviceError
            If the size is 1 already.
        """
        if not self._make_room():
            if self.size == 1:
                raise DeviceError(
                    f"{self._device} has too little memory for one sample; draw on the cpu, or end what else runs there"
                )
            before, self.size = self.size, -(-self.size // 2)
            self._tell(f"memory ran out with {before} samples at once; going on with {self.size}")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _predict(self, x_t: Tensor, t: Tensor, images: Tensor, before: Tensor | None) -> Tensor | None:
        """None if memory ran out."""
        time, projections = self._at[float(t)]
        try:
            with torch.inference_mode(), exactly(self._device, self._precision):
                predicted: Tensor = self._denoiser(x_t, time, images, before, projections, self._guidance)
                return predicted
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if self._device.type == "cuda" and torch.cuda.is_current_stream_capturing():
                raise  # nothing can be given back within a capture
            return None
