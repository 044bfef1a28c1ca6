"""What may be done to drawn masks before they are looked at or scored.  Torch-free.

Every function takes a whole set (N, H, W), returns a new one and leaves its input as it is.  They are meant
for drawn masks, never for the experts'.  `Cleaning` is all of them in the one order in which they are applied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.errors import ConfigError, DataFormatError
from training.records import BoolArray, require_masks

# Neighbours within one mask only, so that a stack is labelled in one call, no object runs through two.
# Objects hold together by edges and corners, holes by edges alone: with corners for both, the background
# would leak through a ring that is closed by corners.
_EDGES_AND_CORNERS = np.zeros((3, 3, 3), bool)
_EDGES_AND_CORNERS[1] = True
_EDGES = np.zeros((3, 3, 3), bool)
_EDGES[1] = ndimage.generate_binary_structure(2, 1)


def threshold(x0_hat: NDArray[np.floating], tau: float = 0.0) -> BoolArray:
    """Masks from the predicted clean masks: foreground where ``x0_hat > tau``.

    Parameters
    ----------
    x0_hat : (N, H, W) float in [-1, 1]
    tau : in [-1, 1]; 0 is half-way between background and foreground

    Raises
    ------
    ConfigError
        If ``tau`` lies outside [-1, 1].
    """
    _require_threshold(tau)
    return x0_hat > tau


def relative_area(masks: BoolArray, r: float) -> BoolArray:
    """Empty the masks that are small beside the largest one of their set (Eqs. 9-10).

    A mask survives if and only if area >= r * max area.  (Eq. 10 keeps a mask of exactly that area; the code
    that the paper's authors released empties it.)

    Parameters
    ----------
    masks : (N, H, W) bool, all samples of one image
    r : in [0, 1]; 0 changes nothing, 1 keeps only the largest masks

    Returns
    -------
    (N, H, W) bool, a new array

    Raises
    ------
    ConfigError
        If ``r`` lies outside [0, 1].
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(masks, "post-processing")
    kept = masks.copy()
    kept[~survivors(masks.sum(axis=(1, 2)), r)] = False
    return kept


def survivors(areas: NDArray[np.integer], r: float) -> BoolArray:
    """Which masks `relative_area` leaves as they are, from the number of pixels in each.

    Parameters
    ----------
    areas : (n,) int, of all samples of one image
    r : in [0, 1]

    Returns
    -------
    (n,) bool

    Raises
    ------
    ConfigError
        If ``r`` lies outside [0, 1].
    DataFormatError
        On anything but one non-negative integer for each of n >= 1 masks.
    """
    _require_relative_area(r)
    is_integer = isinstance(areas, np.ndarray) and areas.dtype.kind in "iu"
    if not (is_integer and areas.ndim == 1 and areas.size and areas.min() >= 0):
        raise DataFormatError(f"areas of masks must be whole numbers of pixels, one for each mask, got {areas!r}")
    # The quotient, not the product: 7 / 100 >= 0.07 holds in floating point, 7 >= 0.07 * 100 does not.
    survives: BoolArray = areas / max(int(areas.max()), 1) >= r
    return survives


def remove_small_objects(masks: BoolArray, min_pixels: int) -> BoolArray:
    """Remove, from each mask by itself, the connected objects of fewer than ``min_pixels`` pixels.

    Parameters
    ----------
    masks : (N, H, W) bool; pixels that touch by an edge or a corner belong to one object
    min_pixels : size of the smallest object that stays; 0 and 1 change nothing

    Raises
    ------
    ConfigError
        If ``min_pixels`` is negative.
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(masks, "post-processing")
    _require_smallest_object(min_pixels)
    labels, _ = ndimage.label(masks, _EDGES_AND_CORNERS)
    stays = np.bincount(labels.ravel()) >= min_pixels
    stays[0] = False  # label 0 is the background
    kept: BoolArray = stays[labels]
    return kept


def fill_holes(masks: BoolArray) -> BoolArray:
    """Fill, in each mask by itself, the background that the mask encloses.

    Parameters
    ----------
    masks : (N, H, W) bool; a hole is background with no way out to the border over pixel edges

    Raises
    ------
    DataFormatError
        On an empty set, or another dtype or dimension.
    """
    require_masks(masks, "post-processing")
    labels, n_labels = ndimage.label(~masks, _EDGES)
    is_hole = np.ones(n_labels + 1, bool)
    for border in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        is_hole[border] = False
    is_hole[0] = False  # label 0 is the mask itself
    filled: BoolArray = masks | is_hole[labels]
    return filled


@dataclass(frozen=True)
class Cleaning:
    """What is done to drawn masks, in this order; by default nothing.

    Parameters
    ----------
    threshold : foreground is where the predicted clean mask is above it, see `threshold`; 0 is the masks as drawn
    fill_holes : see `fill_holes`
    smallest_object : pixels, see `remove_small_objects`; 0 and 1 keep everything
    relative_area : r of `relative_area`; 0 keeps everything

    Raises
    ------
    ConfigError
        On a threshold outside [-1, 1], a negative size, or a relative area outside [0, 1].

    Notes
    -----
    Holes are filled before objects are measured, so that a thin ring counts as the lesion that it encloses; sizes are
    compared last, of what is left.
    """

    threshold: float = 0.0
    fill_holes: bool = False
    smallest_object: int = 0
    relative_area: float = 0.0

    def __post_init__(self) -> None:
        _require_threshold(self.threshold)
        _require_smallest_object(self.smallest_object)
        _require_relative_area(self.relative_area)

    @property
    def is_nothing(self) -> bool:
        """Whether all masks stay as they are drawn."""
        return not (self.threshold or self.fill_holes or self.smallest_object > 1 or self.relative_area)

    def apply(self, masks: BoolArray, x0_hat: NDArray[np.floating] | None = None) -> BoolArray:
        """Clean a whole set of drawn masks.

        Parameters
        ----------
        masks : (N, H, W) bool, all samples of one image
        x0_hat : (N, H, W) float in [-1, 1], the predicted clean masks at the end of the walk, which alone have
            another threshold than 0

        Returns
        -------
        (N, H, W) bool, a new array

        Raises
        ------
        ConfigError
            On a threshold without predicted clean masks.
        DataFormatError
            On an empty set, or another dtype or dimension; or predicted clean masks of another shape.
        """
        require_masks(masks, "post-processing")
        cleaned = masks.copy()
        if self.threshold:
            if x0_hat is None:
                raise ConfigError(
                    f"threshold {self.threshold:g} needs the predicted clean masks, and these masks were cut at 0 "
                    f"already; draw them in steps with a diffusion model, or leave the threshold at 0"
                )
            if x0_hat.shape != masks.shape:
                raise DataFormatError(
                    f"post-processing: the predicted clean masks must have the shape of the masks {masks.shape}, "
                    f"got {x0_hat.shape}"
                )
            cleaned = threshold(x0_hat, self.threshold)
        if self.fill_holes:
            cleaned = fill_holes(cleaned)
        if self.smallest_object > 1:
            cleaned = remove_small_objects(cleaned, self.smallest_object)
        return relative_area(cleaned, self.relative_area) if self.relative_area else cleaned

    def options(self) -> tuple[str, ...]:
        """The same as words of a command line, such as ("--fill-holes", "--postprocess", "0.5")."""
        return (
            *(("--threshold", str(self.threshold)) if self.threshold else ()),
            *(("--fill-holes",) if self.fill_holes else ()),
            *(("--smallest-object", str(self.smallest_object)) if self.smallest_object > 1 else ()),
            *(("--postprocess", str(self.relative_area)) if self.relative_area else ()),
        )


def _require_threshold(tau: float) -> None:
    if not -1 <= tau <= 1:
        raise ConfigError(f"threshold {tau} is impossible; x0_hat lies in [-1, 1], and so must it")


def _require_smallest_object(pixels: int) -> None:
    if pixels < 0:
        raise ConfigError(f"smallest object of {pixels} pixels is impossible; choose 0 or more")


def _require_relative_area(r: float) -> None:
    if not 0 <= r <= 1:
        raise ConfigError(f"relative area {r} is impossible; choose a value in [0, 1]")
