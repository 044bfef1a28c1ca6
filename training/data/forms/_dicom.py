"""Reading one DICOM file that anyone may have made, within bounds.

pydicom is needed only here, and only when a file is read.  The errors' messages are reasons that fit any file.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from training.data.forms._folders import require_source
from training.data.forms.interface import UnusableError
from training.errors import ConfigError

_DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_BYTES = 64 * 2**20


def require_pydicom() -> None:
    """Refuse in one line where pydicom is not installed.

    Raises
    ------
    ConfigError
        With the command that installs it.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ConfigError('DICOM files need pydicom; install it with: pip install "napari-ambiseg[medical]"') from error


def read_dicom(path: Path, tags: list[str] | None = None, *, pixels: bool = False) -> Any:
    """A pydicom Dataset of the wanted tags; all of the file if ``pixels``."""
    require_pydicom()
    from pydicom import dcmread
    from pydicom.filereader import read_file_meta_info

    with _reading("file that is no DICOM, or damaged"):
        if path.stat().st_size > MAX_BYTES:
            raise UnusableError(f"DICOM file of more than {MAX_BYTES // 2**20} MiB")
        # pydicom inflates a deflated file whole, however large that is, so it must not come to that.
        if read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:
            raise UnusableError("deflated DICOM file, which is not read; store it uncompressed")
        return dcmread(path, stop_before_pixels=not pixels, specific_tags=tags)


@contextmanager
def _reading(reason: str) -> Iterator[None]:
    """Whatever pydicom stumbles over inside has this reason; what it only warns about is of no use to a user."""
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            yield
    except _damage() as error:
        require_source(error)
        raise UnusableError(reason) from error


def _damage() -> tuple[type[Exception], ...]:
    """All that pydicom and its decoders raise for damaged files; some of it is not among Python's own errors."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    python = (OSError, EOFError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError, RuntimeError)
    return (*python, MemoryError, struct.error, zlib.error, BytesLengthException, InvalidDicomError)


def _value(dataset: Any, tag: str) -> Any:
    """A tag's value, None where it is missing or empty."""
    with _reading(f"DICOM file with a damaged {tag}"):  # values are decoded only when they are asked for
        return dataset.get(tag)


def text_of(dataset: Any, tag: str) -> str:
    return str(_value(dataset, tag) or "").strip(" \0")


def numbers_of(dataset: Any, tag: str, count: int) -> tuple[float, ...]:
    value = _value(dataset, tag)
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError) as error:
        raise UnusableError(f"DICOM slice without {tag}") from error
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise UnusableError(f"DICOM slice whose {tag} is not {count} numbers")
    return numbers


def number_of(dataset: Any, tag: str) -> float:
    """A single number, NaN where there is none."""
    try:
        number = float(_value(dataset, tag))
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def stored_pixels(dataset: Any) -> NDArray[Any]:
    """The pixels as they are stored, decoded if compressed.

    Raises
    ------
    UnusableError
        If they cannot be decoded: damage, or a compression that needs another package.
    """
    with _reading("DICOM slice whose pixels cannot be decoded"):
        pixels: NDArray[Any] = dataset.pixel_array
    return pixels
