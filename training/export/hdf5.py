"""One case as HDF5: everything that is known of it, the trajectory included."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np

from training.atomic import write_bytes, writing
from training.export.drawn_case import DrawnCase
from training.export.form import Form


class Hdf5(Form):
    """Datasets and attributes as in `training.export.write_samples`."""

    suffixes: ClassVar[tuple[str, ...]] = (".hdf5", ".h5")
    summary: ClassVar[str] = "everything in one file, the trajectory included"
    keeps_trajectory: ClassVar[bool] = True

    def files(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        return (path,)

    def write(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        # Through memory: libhdf5 crashes the process where a disk is full.
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["image"] = drawn.case.image
            file["experts"] = drawn.case.masks.astype(np.uint8)
            file["samples"] = drawn.samples.masks.astype(np.uint8)
            if drawn.cleaned is not None:
                file["cleaned"] = drawn.cleaned.astype(np.uint8)
            if drawn.trajectory is not None:
                for name in ("t", "x_t", "x0_hat"):
                    file[f"trajectory/{name}"] = getattr(drawn.trajectory, name)
                if drawn.steps:
                    file["trajectory/step"] = drawn.steps
            file.attrs.update(attributes(drawn))
        with writing(path):
            write_bytes(path, buffer.getvalue())
        return (path,)


def attributes(drawn: DrawnCase) -> dict[str, object]:
    """What is known of a case besides its arrays, by name; only what is known."""
    case, geometry = drawn.case, drawn.geometry
    found: dict[str, object] = {name: value for name, value in drawn.samples.provenance.items() if value is not None}
    found.update(key=case.key, patient=case.patient, seed=drawn.samples.seed)  # which no provenance says better
    if case.spacing_mm is not None:
        found["spacing_mm"] = np.array(case.spacing_mm)
    if drawn.field is not None:
        found["field"] = str(drawn.field)
    if not drawn.cleaning.is_nothing:
        found["cleaning"] = " ".join(drawn.cleaning.options())
    if geometry is not None:
        found["affine"] = geometry.of_slice
    return found
