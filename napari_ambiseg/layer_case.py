"""Cases from layers of the user's own: an image, and what its experts drew in other layers.

Nothing is written into these layers, and their pixels are copied slice by slice, when a slice is looked at.  The slices
stay what they are where a layer is deleted or moved later; "Use selected layers" again takes them anew.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.layers.annotation import Annotation, LabelsAnnotation, ShapesAnnotation
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.plane import Plane, plane_of
from napari_ambiseg.layers.roles import KEY
from napari_ambiseg.survey import CaseSummary
from training.data.window import LUNG, SLICE, WINDOWS, Window, slice_window
from training.errors import DataFormatError
from training.export.geometry import Geometry
from training.metrics import pairwise_distance
from training.records import AnnotatedSlice, BoolArray, ShortArray

AS_SHOWN = "as shown"
_SPLIT = "slices"
_MM = {"millimeter": 1.0, "centimeter": 10.0, "meter": 1000.0, "micrometer": 1e-3, "micron": 1e-3, "nanometer": 1e-6}
_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class LayerSet:
    """The slices of one image layer, in the form of an opened file: one split.

    Parameters
    ----------
    plane : which image, and how it is cut into slices
    experts : what was drawn on it, one for each expert; none where nobody annotated it
    window : which of `windows` the intensities are by
    source : what the viewer calls these data; no two sets have the same
    annotated_in : the layers that the experts drew in, as long as they are there
    """

    plane: Plane
    experts: tuple[Annotation, ...]
    window: str
    source: str
    annotated_in: AbstractSet[Any] = frozenset()

    @classmethod
    def of(cls, layers: Sequence[Any], dims: Any) -> LayerSet:
        """The set of some of a viewer's layers.

        Parameters
        ----------
        layers : one image, and labels (one layer for each expert: not 0 is marked) or shapes (one layer for each)
        dims : of the viewer: what is displayed, and where its sliders are

        Raises
        ------
        DataFormatError
            If there is not exactly one image, it is no plain grey one, nobody can draw on it what the others hold,
            or it is shown in 3D.
        """
        image, others = _sorted_out(layers)
        plane = plane_of(image, dims)
        experts = tuple(_annotation(layer, plane) for layer in others)
        source = f"layer {plane.name} ({next(_numbers)})"
        return cls(plane, experts, AS_SHOWN, source, WeakSet(others))

    @cached_property
    def splits(self) -> Mapping[str, LayerSlices]:
        """The one split by its name."""
        return {_SPLIT: LayerSlices(self)}

    @property
    def windows(self) -> tuple[str, ...]:
        """Which windows may be chosen."""
        return (AS_SHOWN, LUNG, SLICE) if self.plane.is_hounsfield else (AS_SHOWN, SLICE)

    def by(self, window: str) -> LayerSet:
        """The same slices by another window: for the model, another image."""
        return replace(self, window=window, source=f"layer {self.plane.name} ({next(_numbers)})")

    def place(self, index: int) -> Place:
        """Where a slice lies."""
        return self.plane.place(index)

    def geometry(self, index: int) -> Geometry | None:
        """Where a slice lies in the patient; None where the layer does not say it."""
        affine = self.plane.patient_affine
        return None if affine is None else Geometry(affine, index)

    def close(self) -> None:
        """Nothing to let go of; a file has something."""

    def case(self, index: int) -> AnnotatedSlice:
        """One slice as a case; errors as `LayerSlices` says."""
        values = self.plane.read(index)
        return AnnotatedSlice(
            image=self._window(values).intensity(values),
            masks=self.masks(index).reshape(len(self.experts), *values.shape),
            patient=self.plane.name,
            key=self.plane.key(index),
            spacing_mm=self._spacing_mm(),
            hounsfield=_hounsfield(values) if self.plane.is_hounsfield else None,
        )

    def masks(self, index: int) -> BoolArray:
        """(K, H, W) bool, what the experts drew on a slice; (0,) where nobody annotated it."""
        return np.array([drawn.mask(self.plane, index) for drawn in self.experts], bool)

    def _window(self, values: NDArray[Any]) -> Window:
        if self.window == AS_SHOWN:
            return Window(*self.plane.contrast_limits)
        return WINDOWS[self.window] if self.window in WINDOWS else slice_window(values)

    def _spacing_mm(self) -> tuple[float, float] | None:
        """(row, column) size of a pixel where the layer's units are a length."""
        place = self.plane.place(0)
        if place.units is None:
            return None
        matrix = np.diag(place.scale)
        if place.affine is not None:
            matrix = place.affine[:-1, :-1] @ matrix
        factors = [_MM.get(unit) for unit in place.units]
        sizes = []
        for axis in place.axes:
            used = np.abs(matrix[:, axis]) > 0
            units = {factor for factor, uses in zip(factors, used, strict=True) if uses}
            factor = units.pop() if len(units) == 1 else None
            if factor is None:
                return None
            sizes.append(float(np.linalg.norm(matrix[:, axis]) * factor))
        return sizes[0], sizes[1]


@dataclass(frozen=True, eq=False)
class LayerSlices:
    """The slices of a `LayerSet`, read when they are asked for."""

    of: LayerSet

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Identifier of each slice: the layer's name and the slider's position."""
        return tuple(self.of.plane.key(index) for index in range(len(self)))

    @cached_property
    def patients(self) -> tuple[str, ...]:
        """One image, one patient."""
        return (self.of.plane.name,) * len(self)

    def __len__(self) -> int:
        return self.of.plane.count

    def __getitem__(self, index: int) -> AnnotatedSlice:
        """One slice.

        Raises
        ------
        DataFormatError
            If its pixels cannot be read, or are not all finite.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"slice {index} of {len(self)}")
        return self.of.case(index)

    def summary(self, index: int) -> CaseSummary:
        """What the experts alone say of a slice, for which its pixels, maybe on a far disk, are not read."""
        if not self.of.experts:
            return CaseSummary(disagreement=math.nan)
        masks = self.of.masks(index)
        n_found = int(masks.any(axis=(1, 2)).sum())
        return CaseSummary(n_found, len(masks), float(pairwise_distance(masks).mean()))


def about(cases: LayerSet) -> dict[str, Any]:
    """What the metadata of the image layer of such a case say of where it comes from."""
    return {
        "layer": cases.plane.name,
        "file": cases.plane.file,
        "window": cases.window,
        "experts": [drawn.name for drawn in cases.experts],
    }


def _sorted_out(layers: Iterable[Any]) -> tuple[Any, list[Any]]:
    """The image, and what the experts drew in the order of the layer list."""
    images, others, ours = [], [], []
    for layer in layers:
        kind = type(layer).__name__
        if isinstance(layer.metadata.get(KEY), dict) and "role" in layer.metadata[KEY]:
            ours.append(layer)
        elif kind == "Image":
            images.append(layer)
        elif kind in ("Labels", "Shapes"):
            others.append(layer)
        else:
            raise DataFormatError(
                f"layer {layer.name!r} holds {kind.lower()}; select one image, and its experts' labels or shapes"
            )
    if len(images) == 1 and not ours:
        return images[0], others
    if ours:
        raise DataFormatError(f"layer {ours[0].name!r} belongs to this plugin; select an image layer of your own")
    if not images:
        raise DataFormatError("no image is selected; select an image layer, and its experts' labels or shapes with it")
    names = ", ".join(repr(layer.name) for layer in images)
    raise DataFormatError(
        f"{len(images)} images are selected ({names}); select one, and the experts as labels "
        "(menu Layers, Convert to Labels)"
    )


def _annotation(layer: Any, plane: Plane) -> Annotation:
    return (LabelsAnnotation if type(layer).__name__ == "Labels" else ShapesAnnotation).of(layer, plane)


def _hounsfield(values: NDArray[Any]) -> ShortArray:
    limits = np.iinfo(np.int16)
    units: ShortArray = np.rint(values).clip(limits.min, limits.max).astype(np.int16)
    return units
