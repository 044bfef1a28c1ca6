"""Learn, draw and measure what experts disagree about; the headless half of napari-ambiseg.

``open_dataset`` reads annotated slices, ``load_segmenter`` opens a model that draws masks for an image,
``training.metrics`` and ``training.postprocess`` work on the masks.  Nothing but ``load_segmenter`` needs torch; it and
``open_dataset``, which needs h5py, are imported when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from training.errors import AmbisegError, CheckpointError, ConfigError, DataFormatError, DeviceError
from training.records import AnnotatedSlice, SampleSet, Step, Trajectory
from training.sampling_wish import SamplingWish

if TYPE_CHECKING:
    from training.build import load_segmenter
    from training.data.opening import open_dataset

_LATER = {"load_segmenter": "training.build", "open_dataset": "training.data.opening"}

__all__ = [
    "AmbisegError",
    "AnnotatedSlice",
    "CheckpointError",
    "ConfigError",
    "DataFormatError",
    "DeviceError",
    "SampleSet",
    "SamplingWish",
    "Step",
    "Trajectory",
    "load_segmenter",
    "open_dataset",
]


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'training' has no attribute {name!r}")
