"""One grey picture or one mask from a file that anyone may have made: PNG, JPEG, TIFF or NPY.

Sizes are read from the header and bounded before anything is allocated, Pillow is never asked to guess among its
other formats, and every chunk of a PNG is compared with its checksum, which Pillow does not do for pixels.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.forms._folders import require_source
from training.data.forms._masks import drawn_mask
from training.data.forms.interface import MAX_SIDE, UnusableError
from training.records import BoolArray

MAX_FILE_BYTES = 256 * 2**20  # a 4096 x 4096 picture of four 32-bit channels
MAX_NPY_HEADER = 1000  # bytes; two dimensions take 118
_SMALL_BYTES = 512  # of a PNG, which then cannot hold more than four million pixels
JPEG_THRESHOLD = 127  # lossy masks are foreground above it

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy"})

_PNG = b"\x89PNG\r\n\x1a\n"
_KINDS: tuple[tuple[bytes, str], ...] = (
    (_PNG, "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"\x93NUMPY", "NPY"),
)

# What a stored range can be read as, narrowest first; Pillow and NumPy both like to hand out wider types.
_INTEGERS = (np.uint8, np.uint16, np.int16)

_CHANNELS = {"RGB": 3, "RGBA": 3, "LA": 1}  # Pillow's modes that may hold grey: how many colours

_DAMAGED = "is damaged or cut short"
_TOO_LARGE = f"is larger than {MAX_SIDE} x {MAX_SIDE} pixels"


def read_image(path: str | Path) -> NDArray[Any]:
    """A grey picture as it is stored.

    Returns
    -------
    (H, W) uint8, uint16, int16 or float32

    Raises
    ------
    UnusableError
        With the reason, which fits after the words "the image".
    DataFormatError
        If the file, or the disk it is on, went away.
    """
    array, _ = _grey(_content(path))
    if array.dtype == np.bool_:
        raise UnusableError("is black and white, not grey")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise UnusableError("holds NaN or infinite values")
        with np.errstate(over="ignore"):
            values = array.astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            raise UnusableError("holds values too large for float32")
        return values
    if array.dtype in _INTEGERS:
        return array
    low, high = int(array.min()), int(array.max())
    for narrow in _INTEGERS[1:]:  # not uint8, which would depend on the values of this one picture
        if np.iinfo(narrow).min <= low and high <= np.iinfo(narrow).max:
            return array.astype(narrow)
    raise UnusableError("holds integers that need more than 16 bits")


def read_mask(path: str | Path) -> tuple[BoolArray, bool]:
    """A mask, and whether it was cut out of a lossy picture.

    Returns
    -------
    (H, W) bool, read-only; True if it was a JPEG, cut at `JPEG_THRESHOLD`

    Raises
    ------
    UnusableError
        Unless all values are 0 and 1, or 0 and 255, or it is a JPEG; the reason fits after the words "a mask".
    """
    content = _content(path)
    is_small = len(content) <= _SMALL_BYTES and content.startswith(_PNG)
    return _small_mask(content) if is_small else _mask(content)


def is_eight_bit(path: str | Path) -> bool:
    """Whether a picture's header promises what `read_image` gives as uint8; False where it cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(32)
            kind = _kind(start)
            if kind in ("PNG", "JPEG"):
                return kind == "JPEG" or start[24:25] == b"\x08"
            stream.seek(0)
            if kind == "NPY":
                return _npy_header(stream)[2] == np.uint8
            with _opened(stream, kind) as picture:
                return picture.mode in ("L", *_CHANNELS)
    except (OSError, UnusableError):
        return False


def _mask(content: bytes) -> tuple[BoolArray, bool]:
    array, kind = _grey(content)
    mask = array > JPEG_THRESHOLD if kind == "JPEG" else drawn_mask(array)[0]
    mask.flags.writeable = False
    return mask, kind == "JPEG"


# More than a third of LIDC's masks are empty, and all of these files have the same bytes.
_small_mask = lru_cache(maxsize=8)(_mask)


def _grey(content: bytes) -> tuple[NDArray[Any], str]:
    """The pixels as (H, W) of any type in native byte order, and the kind of file."""
    kind = _kind(content)
    if kind == "NPY":
        return _npy(content), kind
    if kind == "PNG":
        _check_png(content)
    with _opened(io.BytesIO(content), kind) as picture:
        if picture.mode in _CHANNELS:
            return _equal_channels(np.asarray(picture), _CHANNELS[picture.mode]), kind
        if picture.mode not in ("1", "L", "F", "I") and not picture.mode.startswith("I;16"):
            raise UnusableError(f"is of the colour type {picture.mode}, not grey")
        array = np.asarray(picture)
    return array.astype(array.dtype.newbyteorder("="), copy=False), kind


def _content(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb", buffering=0) as stream:
            if os.fstat(stream.fileno()).st_size > MAX_FILE_BYTES:
                raise UnusableError(f"is a file of more than {MAX_FILE_BYTES // 2**20} MiB")
            return stream.read()
    except OSError as error:
        require_source(error)
        raise UnusableError(f"cannot be opened ({error.strerror})") from error


def _kind(start: bytes) -> str:
    for magic, kind in _KINDS:
        if start.startswith(magic):
            return kind
    raise UnusableError("is no PNG, JPEG, TIFF or NPY")


def _check_png(content: bytes) -> None:
    """Refuse by the header what is too large or animated, and compare every chunk's checksum."""
    view, end = memoryview(content), len(content)
    position, last = len(_PNG), b""
    while position < end and last != b"IEND":
        if position + 12 > end:
            raise UnusableError(_DAMAGED)
        size, last = struct.unpack_from(">I4s", content, position)
        stop = position + 8 + size
        if stop + 4 > end or zlib.crc32(view[position + 4 : stop]) != struct.unpack_from(">I", content, stop)[0]:
            raise UnusableError(_DAMAGED)
        if position == len(_PNG):
            if last != b"IHDR" or size != 13:
                raise UnusableError(_DAMAGED)
            _check_size(*struct.unpack_from(">II", content, position + 8))
        if last == b"acTL":
            _check_frames(2)
        position = stop + 4
    if last != b"IEND":
        raise UnusableError(_DAMAGED)


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise UnusableError(_TOO_LARGE)
    if min(width, height) < 1:
        raise UnusableError("has no pixels")


def _check_frames(count: int) -> None:
    if count > 1:
        raise UnusableError("has more than one frame")


@contextlib.contextmanager
def _opened(stream: BinaryIO, kind: str) -> Iterator[Image.Image]:
    """A picture by Pillow; whatever goes wrong with it inside the block is damage.

    Pillow warns about a TIFF or JPEG that it finds damaged and reads on, so warnings are errors here.  A PNG has
    been checked already and is spared the cost.
    """
    quiet = contextlib.nullcontext() if kind == "PNG" else warnings.catch_warnings(action="error")
    try:
        with quiet, Image.open(stream, formats=(kind,)) as picture:
            _check_size(*picture.size)
            _check_frames(getattr(picture, "n_frames", 1))
            yield picture
    except UnusableError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged content
        raise UnusableError(_DAMAGED) from error


def _equal_channels(array: NDArray[Any], n_colours: int) -> NDArray[Any]:
    """The one channel of grey in colour: (H, W, n_colours), or one more for alpha."""
    if array.shape[-1] > n_colours and (array[..., -1] != 255).any():
        raise UnusableError("is partly transparent")
    grey = np.ascontiguousarray(array[..., 0])
    if any((array[..., channel] != grey).any() for channel in range(1, n_colours)):
        raise UnusableError("is in colour, not grey")
    return grey


def _npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(stream, MAX_NPY_HEADER)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(stream, MAX_NPY_HEADER)
    except Exception as error:  # the header is parsed as Python, with all the errors of its parser
        raise UnusableError(_DAMAGED) from error
    raise UnusableError(f"is NPY of version {version[0]}.{version[1]}, not 1.0 or 2.0")


def _npy(content: bytes) -> NDArray[Any]:
    stream = io.BytesIO(content)
    shape, fortran, dtype = _npy_header(stream)
    if len(shape) != 2:
        raise UnusableError(f"has {len(shape)} dimensions, not 2")
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise UnusableError(f"is of the type {dtype.str!r}, not a number of up to 64 bits")
    height, width = shape
    _check_size(width, height)
    # The size is what is in the file, not what the header declares, so nothing is allocated for a lie.
    if len(content) - stream.tell() != height * width * dtype.itemsize:
        raise UnusableError(_DAMAGED)
    array = np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array, dtype.newbyteorder("="))
