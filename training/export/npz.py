"""One case as NumPy's .npz: arrays alone, so that reading it never needs pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Container
from pathlib import Path
from typing import ClassVar

import numpy as np

from training.atomic import replacing, writing
from training.export.drawn_case import DrawnCase
from training.export.form import Form
from training.export.hdf5 import attributes


class Npz(Form):
    """The datasets and attributes of the HDF5 file, each as an array; samples on the whole slice.

    An attribute that is called like a dataset has "about_" before its name: the arrays share one list of names.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npz",)
    summary: ClassVar[str] = "NumPy arrays, the trajectory included"
    keeps_trajectory: ClassVar[bool] = True

    def files(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        return (path,)

    def write(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        arrays = {
            "image": drawn.case.image,
            "experts": drawn.case.masks,
            "samples": drawn.on_slice(drawn.samples.masks),
        }
        if drawn.cleaned is not None:
            arrays["cleaned"] = drawn.on_slice(drawn.cleaned)
        if drawn.trajectory is not None:
            arrays.update({f"trajectory_{name}": getattr(drawn.trajectory, name) for name in ("t", "x_t", "x0_hat")})
            if drawn.steps:
                arrays["trajectory_step"] = np.array(drawn.steps)
        for name, value in attributes(drawn).items():
            # Text becomes an array of characters, a number one without axes: neither is an object.
            arrays[_free(name, arrays)] = np.array(value)
        with writing(path), replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
            for name, array in arrays.items():  # NumPy's own `savez` takes no array that is called "file"
                with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
        return (path,)


def _free(name: str, taken: Container[str]) -> str:
    """A name for an attribute that no array has yet."""
    while name in taken:
        name = f"about_{name}"
    return name
