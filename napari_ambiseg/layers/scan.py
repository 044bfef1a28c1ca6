"""A scan without annotations as a layer: not ours but the user's own, as any reader's would be."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_ambiseg.layers.plane import SCAN
from napari_ambiseg.layers.roles import LayerData
from training.data.scan import Scan
from training.data.window import WINDOWS

# From millimetres to the right, front and top of the patient to napari's world of a volume: up, back and left, so that
# a slice is seen as radiologists look at it.
_TO_WORLD = np.array([[0.0, 0, 1, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
_BACKWARDS = np.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])  # (slice, row, column) to (c, r, s)
_STRAIGHT = 1e-6


def scan_layer(scan: Scan) -> LayerData:
    """Slices along the first axis, in millimetres; the sliders begin at the middle one.

    A volume lies at its true place: up, back and left of the patient's origin.  A CT is shown by the lung window.
    """
    options: dict[str, Any] = {
        "name": scan.path.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".dcm"),
        "units": ("mm",) * scan.values.ndim,
        "axis_labels": ("z", "y", "x")[-scan.values.ndim :],
        "metadata": {SCAN: {"file": str(scan.path), "affine": scan.affine, "hounsfield": scan.is_hounsfield}},
    }
    if scan.affine is None:
        options["scale"] = scan.spacing_mm
    else:
        matrix = _TO_WORLD @ scan.affine @ _BACKWARDS
        steps = np.diag(matrix)[:3]
        straight = np.abs(matrix[:3, :3] - np.diag(steps)).max() <= _STRAIGHT * np.abs(steps).min()
        if straight and (steps > 0).all():
            options["scale"], options["translate"] = tuple(map(float, steps)), tuple(map(float, matrix[:3, 3]))
        else:
            options["affine"] = matrix
    if scan.is_mask:
        return scan.values, options, "labels"
    if scan.is_hounsfield:
        lung = WINDOWS["lung"]
        options["contrast_limits"] = (lung.low, lung.high)
    options["colormap"] = "gray"
    return scan.values, options, "image"
