"""Reading one DICOM file that anyone may have made, within bounds.

pydicom is needed only here, and only when a file is read.  The errors' messages are reasons that fit any file.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from training.errors import ConfigError, DataFormatError

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

    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataFormatError(f"DICOM file of more than {MAX_BYTES // 2**20} MiB")
        # pydicom inflates a deflated file whole, however large that is, so it must not come to that.
        if read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:
            raise DataFormatError("deflated DICOM file, which is not read; store it uncompressed")
        return dcmread(path, stop_before_pixels=not pixels, specific_tags=tags)
    except _damage() as error:
        raise DataFormatError("file that is no DICOM, or damaged") from error


def _damage() -> tuple[type[Exception], ...]:
    """All that pydicom and its decoders raise for damaged files; some of it is not among Python's own errors."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    python = (OSError, EOFError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError, RuntimeError)
    return (*python, MemoryError, struct.error, zlib.error, BytesLengthException, InvalidDicomError)


def _value(dataset: Any, tag: str) -> Any:
    """A tag's value, None where it is missing or empty."""
    try:
        return dataset.get(tag)
    except _damage() as error:  # values are decoded only when they are asked for
        raise DataFormatError(f"DICOM file with a damaged {tag}") from error


def text_of(dataset: Any, tag: str) -> str:
    return str(_value(dataset, tag) or "").strip(" \0")


def numbers_of(dataset: Any, tag: str, count: int) -> tuple[float, ...]:
    value = _value(dataset, tag)
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError) as error:
        raise DataFormatError(f"DICOM slice without {tag}") from error
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise DataFormatError(f"DICOM slice whose {tag} is not {count} numbers")
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
    DataFormatError
        If they cannot be decoded: damage, or a compression that needs another package.
    """
    try:
        pixels: NDArray[Any] = dataset.pixel_array
    except _damage() as error:
        raise DataFormatError("DICOM slice whose pixels cannot be decoded") from error
    return pixels
