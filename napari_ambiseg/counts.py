"""How many samples mark each pixel, as labels of the user's own on the image that they were drawn for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.plane import Plane
from napari_ambiseg.layers.roles import LayerData
from napari_ambiseg.runs import Run
from training.postprocess import Cleaning

COUNTS = "ambiseg counts"  # in the metadata: what was counted.  Not the key of our own layers, which come and go
Counts = NDArray[np.unsignedinteger[Any]]


def counts_of(run: Run, cleaning: Cleaning, shape: tuple[int, ...]) -> Counts:
    """By how many samples of a run each pixel of its slice is marked.

    Parameters
    ----------
    cleaning : done to the samples before; a threshold needs a run with predicted clean masks
    shape : (H, W) of the slice

    Returns
    -------
    (H, W) of the smallest unsigned integers that hold the number of samples
    """
    masks = cleaning.apply(run.masks, run.x0_hat)
    counted: Counts = masks.sum(axis=0).astype(np.min_scalar_type(run.n))
    pasted: Counts = run.field.paste(counted, shape)
    return pasted


def slice_counts_layer(run: Run, cleaning: Cleaning, place: Place, shape: tuple[int, ...]) -> LayerData:
    """The counts of a slice (H, W) by itself."""
    return place.lift(counts_of(run, cleaning, shape)), _options([run], cleaning) | place.options(), "labels"


def volume_counts_layer(runs: Sequence[Run], cleaning: Cleaning, plane: Plane, shape: tuple[int, ...]) -> LayerData:
    """The counts of slices (H, W) of a volume, in the shape of the volume; 0 on those that nothing was drawn for.

    Parameters
    ----------
    runs : at least one, all drawn in the same way, the one to be named after at the end; of one slice the last counts
    """
    whole = np.zeros(plane.shape, np.min_scalar_type(runs[-1].n))
    for run in runs:
        index = plane.index(run.origin.index)
        target = tuple(slice(None) if axis in plane.axes else at for axis, at in enumerate(index))
        counts = counts_of(run, cleaning, shape)
        whole[target] = counts.T if plane.axes[0] > plane.axes[1] else counts
    return whole, _options(runs, cleaning) | plane.lies.options(), "labels"


def _options(runs: Sequence[Run], cleaning: Cleaning) -> dict[str, Any]:
    last = runs[-1]
    fields: Mapping[str, str] = {run.case.key: str(run.field) for run in runs}
    counted = {
        "n": last.n,
        "model": last.model,
        "seed": last.seed,
        "wish": " ".join(last.wish.options()),
        "cleaning": " ".join(cleaning.options()),
        "fields": fields,  # of each slice that was drawn for
    }
    return {
        "name": f"samples of {last.case.patient}: how many mark it",
        "opacity": 0.6,
        "metadata": {COUNTS: counted},
    }
