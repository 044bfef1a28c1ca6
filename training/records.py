"""The records that travel between data, models, metrics and the viewer.

Frozen dataclasses of NumPy arrays, checked when they are made, so that no one
downstream checks again.  Torch-free: the viewer's process uses them too.

Shapes: ``H, W`` pixels, ``K`` experts, ``N`` drawn samples, ``T`` reverse steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from training.errors import DataFormatError

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]
HalfArray = NDArray[np.float16]
ShortArray = NDArray[np.int16]


def _frozen(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """A read-only view, so that a record cannot be changed behind another's back."""
    view = array.view()
    view.flags.writeable = False
    return view


def require_masks(masks: NDArray[np.generic], what: str) -> None:
    """Refuse anything but a set of masks.

    Parameters
    ----------
    masks : should be (N >= 1, H >= 1, W >= 1) bool
    what : what the error calls it

    Raises
    ------
    DataFormatError
        On anything else.
    """
    if isinstance(masks, np.ndarray) and masks.dtype == np.bool_ and masks.ndim == 3 and masks.size:
        return
    found = f"{masks.dtype} {masks.shape}" if isinstance(masks, np.ndarray) else repr(type(masks).__name__)
    raise DataFormatError(
        f"{what}: masks must be a bool array of shape (N >= 1, H, W), got {found}; "
        f"threshold probabilities, and cast 0/1 labels with .astype(bool)"
    )


@dataclass(frozen=True, eq=False)
class AnnotatedSlice:
    """One image with the masks that its experts drew: a case.

    Parameters
    ----------
    image : (H, W) float32 in [0, 1]
    masks : (K, H, W) bool, one per expert; an empty mask means "no lesion here", and K = 0 that nobody looked
    patient : identifier that keeps a patient's slices in one split
    key : identifier of this slice within its data set
    spacing_mm : (row, column) size of a pixel in millimetres, or None where unknown
    hounsfield : (H, W) int16 Hounsfield units that the image is a window of, or None where unknown

    Raises
    ------
    DataFormatError
        On another shape or dtype, or a non-finite or out-of-range intensity.
    """

    image: FloatArray
    masks: BoolArray
    patient: str
    key: str
    spacing_mm: tuple[float, float] | None = None
    hounsfield: ShortArray | None = None

    def __post_init__(self) -> None:
        image, masks, what = self.image, self.masks, f"slice {self.key!r}"
        if image.dtype != np.float32 or image.ndim != 2 or 0 in image.shape:
            raise DataFormatError(f"{what}: image must be float32 of shape (H, W), got {image.dtype} {image.shape}")
        low, high = float(image.min()), float(image.max())
        if not (low >= 0 and high <= 1):  # NaN compares false
            if bad := int(image.size - np.isfinite(image).sum()):
                raise DataFormatError(f"{what}: image has {bad} NaN or infinite pixels; every pixel must be finite")
            raise DataFormatError(f"{what}: image must lie in [0, 1], got [{low:.4g}, {high:.4g}]")
        unannotated = masks.dtype == np.bool_ and masks.shape == (0, *image.shape)
        if not unannotated:
            require_masks(masks, what)
        if masks.shape[1:] != image.shape:
            raise DataFormatError(
                f"{what}: masks must have shape (K, {image.shape[0]}, {image.shape[1]}), got {masks.shape}"
            )
        if self.spacing_mm is not None and not all(math.isfinite(mm) and mm > 0 for mm in self.spacing_mm):
            raise DataFormatError(f"{what}: pixel spacing must be positive millimetres, got {self.spacing_mm}")
        if self.hounsfield is not None:
            if self.hounsfield.dtype != np.int16 or self.hounsfield.shape != image.shape:
                raise DataFormatError(
                    f"{what}: Hounsfield units must be int16 of shape {image.shape}, "
                    f"got {self.hounsfield.dtype} {self.hounsfield.shape}"
                )
            object.__setattr__(self, "hounsfield", _frozen(self.hounsfield))
        object.__setattr__(self, "image", _frozen(image))
        object.__setattr__(self, "masks", _frozen(masks))

    @property
    def n_experts(self) -> int:
        """K, the number of experts who looked at this slice."""
        return int(self.masks.shape[0])

    @property
    def n_found(self) -> int:
        """How many experts drew a non-empty mask (the k of "seen by k of K")."""
        return int(self.masks.any(axis=(1, 2)).sum())


@dataclass(frozen=True, eq=False)
class SampleSet:
    """N masks that a segmenter drew for one image.

    Sample ``i`` is a pure function of (image, ``seed``, ``i``): drawing more samples, or in other batches,
    leaves it unchanged.

    Parameters
    ----------
    masks : (N, H, W) bool, N >= 1
    seed : the seed that, with the sample's index, names its noise
    provenance : what made the masks: model, its hash, sampler, steps, ...; plain JSON values
    """

    masks: BoolArray
    seed: int
    provenance: Mapping[str, str | int | float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_masks(self.masks, "sample set")
        object.__setattr__(self, "masks", _frozen(self.masks))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    def __len__(self) -> int:
        return int(self.masks.shape[0])

    def first(self, n: int) -> SampleSet:
        """The first ``n`` samples, exactly what drawing ``n`` alone would give; 1 <= n <= len(self)."""
        if not 1 <= n <= len(self):
            raise DataFormatError(f"sample set: the first {n} of {len(self)} samples were asked for")
        return SampleSet(self.masks[:n], self.seed, self.provenance)


@dataclass(frozen=True, eq=False)
class Step:
    """One state of the reverse diffusion, for all N samples.

    Parameters
    ----------
    index : 0 for pure noise, ``n_steps`` for the drawn mask
    n_steps : number of reverse steps of the whole walk
    t : diffusion time in [0, 1]; 1 is noise, 0 is data
    x_t : (N, H, W) float32, the noisy state
    x0_hat : (N, H, W) float32 in [-1, 1], the clean mask predicted from it; > 0 is foreground
    log_snr : log of the signal-to-noise ratio at this time; NaN where no noise schedule says it
    """

    index: int
    n_steps: int
    t: float
    x_t: FloatArray
    x0_hat: FloatArray
    log_snr: float = math.nan

    def __post_init__(self) -> None:
        if self.x_t.shape != self.x0_hat.shape or self.x_t.ndim != 3:
            raise DataFormatError(
                f"step {self.index}: x_t and x0_hat must share one shape (N, H, W), "
                f"got {self.x_t.shape} and {self.x0_hat.shape}"
            )

    @property
    def masks(self) -> BoolArray:
        """(N, H, W) bool, the masks if the walk ended here."""
        return self.x0_hat > 0


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A whole reverse diffusion: T network calls give T + 1 states.

    Parameters
    ----------
    t : (T + 1,) float32, falling from 1 to 0
    x_t, x0_hat : (T + 1, N, H, W) float16, as in `Step`; half precision, since they are for looking at
    """

    t: FloatArray
    x_t: HalfArray
    x0_hat: HalfArray

    def __post_init__(self) -> None:
        if self.x_t.ndim != 4 or self.x_t.shape != self.x0_hat.shape or self.t.shape != self.x_t.shape[:1]:
            raise DataFormatError(
                f"trajectory: x_t and x0_hat must be (T + 1, N, H, W) and t (T + 1,), "
                f"got {self.x_t.shape}, {self.x0_hat.shape} and {self.t.shape}"
            )
        for name in ("t", "x_t", "x0_hat"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Trajectory:
        """Collect a walk."""
        seen = list(steps)
        return cls(
            t=np.array([step.t for step in seen], np.float32),
            x_t=np.stack([step.x_t for step in seen]).astype(np.float16),
            x0_hat=np.stack([step.x0_hat for step in seen]).astype(np.float16),
        )
