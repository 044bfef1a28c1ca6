"""Drawn masks as files of their own: the name's end says which form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.data.field import Field
from training.errors import ConfigError
from training.export.dicom import DicomSegmentation
from training.export.drawn_case import DrawnCase
from training.export.form import Form
from training.export.geometry import Geometry
from training.export.hdf5 import Hdf5
from training.export.nifti import Nifti
from training.export.npz import Npz
from training.postprocess import Cleaning
from training.records import AnnotatedSlice, BoolArray, SampleSet, Trajectory

__all__ = ["FORMS", "DrawnCase", "Geometry", "find_form", "write_case", "write_samples"]

#: In the order in which they are offered.
FORMS: tuple[type[Form], ...] = (Hdf5, Npz, Nifti, DicomSegmentation)


def find_form(path: Path, source: Any = None) -> Form:
    """The form that the end of a file's name asks for.

    Parameters
    ----------
    path : the name, in capitals or not
    source : the DICOM image that the slice is, for a name that ends in .dcm

    Raises
    ------
    ConfigError
        On another end, with the list of those that are known; or if a package is missing for it.
    """
    for form in FORMS:
        if path.name.lower().endswith(form.suffixes) and form.stem(path):
            found = DicomSegmentation(source) if form is DicomSegmentation else form()
            found.require()
            return found
    known = ", ".join(suffix for form in FORMS for suffix in form.suffixes)
    raise ConfigError(f"cannot tell the form of {path.name!r}; give a name that ends in one of: {known}")


def write_case(path: Path, drawn: DrawnCase, *, source: Any = None) -> tuple[Path, ...]:
    """Write one case with its drawn masks; see `write_samples`.

    Returns
    -------
    the files that were made

    Raises
    ------
    ConfigError, DataFormatError
        As `write_samples`.
    """
    return find_form(path, source).write(path, drawn)


def write_samples(
    path: Path,
    case: AnnotatedSlice,
    samples: SampleSet,
    trajectory: Trajectory | None = None,
    *,
    cleaned: BoolArray | None = None,
    field: Field | None = None,
    cleaning: Cleaning = Cleaning(),
    geometry: Geometry | None = None,
    source: Any = None,
) -> tuple[Path, ...]:
    """Write one case with its drawn masks.

    .hdf5, .h5
        Datasets: ``image`` (H, W) float32, ``experts`` (K, H, W) uint8, ``samples`` (N, h, w) uint8 and, where they
        were post-processed, ``cleaned``; with a trajectory also ``trajectory/t`` (T + 1,), ``trajectory/x_t`` and
        ``trajectory/x0_hat`` (T + 1, N, h, w) float16.  Attributes: the case's key, patient and spacing, the seed,
        the samples' provenance, and ``field``, "TOP,LEFT,HEIGHT,WIDTH", where h, w are those of a field within H, W.
    .npz
        The same as arrays, attributes included; samples (N, H, W) bool lie on the whole slice.
    .nii, .nii.gz
        One file each for the image (Hounsfield units where known), the experts and the samples, named OUT.image,
        OUT.expert-1, OUT.sample-01, OUT.cleaned-01.
    .dcm
        A DICOM SEG with one segment per expert and sample, that refers to ``source``, or else to OUT.image.dcm,
        which is written with it.

    Parameters
    ----------
    path : the end of its name says which form
    case : the whole slice
    samples : the drawn masks, of the field where there is one
    trajectory : every step of the draw; only HDF5 and .npz keep it
    cleaned : (N, h, w) bool, the masks after post-processing
    field : the part of the slice that the masks are of
    cleaning : how they were post-processed
    geometry : where the slice lies in the patient; from the case's spacing if left out
    source : the DICOM image that the slice is, as a path or a pydicom Dataset

    Returns
    -------
    the files that were made

    Raises
    ------
    ConfigError
        On a name of another end, a package that is not installed, or a place that cannot be written.
    DataFormatError
        If the masks, the field or the DICOM image do not fit the case.
    """
    drawn = DrawnCase(case, samples, trajectory, cleaned, cleaning, field, geometry)
    return write_case(path, drawn, source=source)
