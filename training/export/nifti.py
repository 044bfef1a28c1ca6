"""One case as NIfTI: a file for the image and one for each mask, since the masks of experts overlap."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from training.atomic import publish, remove, temporary_beside, writing
from training.errors import ConfigError
from training.export.drawn_case import DrawnCase
from training.export.form import Form
from training.export.geometry import Geometry

_SCANNER, _ALIGNED = 1, 2  # codes of an affine: of the scanner, and of something else
_KINDS = ("expert", "sample", "cleaned")


class Nifti(Form):
    """OUT.image.nii.gz, OUT.expert-1.nii.gz, OUT.sample-01.nii.gz: volumes of one slice.

    A label map has one label per voxel, in which masks that overlap would be lost.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".nii", ".nii.gz")
    summary: ClassVar[str] = "one file for the image and one per expert and sample"

    def require(self) -> None:
        _nibabel()

    def files(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        return tuple(self._path(path, what) for what, _ in _volumes(drawn))

    def write(self, path: Path, drawn: DrawnCase) -> tuple[Path, ...]:
        nibabel = _nibabel()
        files = self.files(path, drawn)
        with writing(path):
            self._refuse_leftovers(path, files)
        # All are written before the first gets its name, so that a full disk leaves none of them.
        unfinished = [temporary_beside(file) for file in files]
        try:
            for temporary, file, (_, plane) in zip(unfinished, files, _volumes(drawn), strict=True):
                with writing(file):
                    content = _encoded(nibabel, plane, drawn.place, drawn.geometry is not None)
                    temporary.write_bytes(_gzipped(content) if file.name.lower().endswith(".gz") else content)
            for temporary, file in zip(unfinished, files, strict=True):
                with writing(file):
                    publish(temporary, file)
        finally:
            for temporary in unfinished:
                remove(temporary)
        return files

    def _path(self, path: Path, what: str) -> Path:
        stem = self.stem(path)
        return path.with_name(f"{stem}.{what}{path.name[len(stem) :]}")

    def _refuse_leftovers(self, path: Path, files: tuple[Path, ...]) -> None:
        """Masks of an earlier export with more of them would be taken for masks of this one."""
        stem = re.escape(self.stem(path))
        ours = re.compile(rf"{stem}\.({'|'.join(_KINDS)})-\d+\.nii(\.gz)?", re.IGNORECASE)
        names = {file.name for file in files}
        for other in sorted(path.absolute().parent.iterdir()):
            if ours.fullmatch(other.name) and other.name not in names:
                raise ConfigError(
                    f"cannot write {path}: {other.name} beside it is of another export; remove it, or choose another "
                    f"name"
                )


def _volumes(drawn: DrawnCase) -> Iterator[tuple[str, NDArray[Any]]]:
    """The part of each file's name that says what it is, and the (H, W) pixels in it."""
    image = drawn.case.image if drawn.case.hounsfield is None else drawn.case.hounsfield
    yield "image", image
    for named in drawn.named_masks():
        # Padded with zeros, so that they stand in order in a folder; experts are few.
        number = f"{named.number}" if named.kind == "expert" else f"{named.number:02d}"
        yield f"{named.kind}-{number}", named.mask.astype(np.uint8)


def _encoded(nibabel: ModuleType, plane: NDArray[Any], geometry: Geometry, known: bool) -> bytes:
    """A volume of one slice; ``known`` is whether the source told its place."""
    volume = nibabel.Nifti1Image(np.ascontiguousarray(plane.T)[:, :, None], None)
    volume.header.set_xyzt_units("mm" if geometry.in_mm else "unknown")
    code = _SCANNER if known else _ALIGNED
    volume.set_sform(geometry.of_slice, code)
    volume.set_qform(geometry.of_slice, code, strip_shears=True)
    content: bytes = volume.to_bytes()
    return content


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # no time of day: the same case is the same file


def _nibabel() -> ModuleType:
    try:
        import nibabel
    except ImportError as error:
        raise ConfigError('writing NIfTI needs nibabel: pip install "napari-ambiseg[medical]"') from error
    return nibabel
