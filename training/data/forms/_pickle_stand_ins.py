"""What the names in a pickle of slices mean here: NumPy's arrays, and inert copies of three pydicom values.

Nothing is imported by its name.  Each of the few names that such a pickle needs has a function of ours, which checks
all of its arguments; any other name is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from training.data.forms.interface import MAX_SIDE

MAX_VALUES = 16  # in a pydicom list
MAX_NUMBER = 1e16  # DICOM's have up to 16 characters

_CODE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_NATIVE = "="


class RefusalError(Exception):
    """What is wrong with a pickle, in words that follow the name of its file."""


class StoredType:
    """``numpy.dtype`` of plain numbers; objects, records and text are refused."""

    def __init__(self, code: object, align: object, copy: object) -> None:
        match = _CODE.fullmatch(code) if isinstance(code, str) else None
        if match is None or not isinstance(align, bool) or not isinstance(copy, bool):
            raise RefusalError(f"holds an array of type {show(code)}; only bool, int, uint and float are read")
        self.dtype = np.dtype(str(code))

    def build(self, state: object) -> None:
        """Set the byte order: (version, order, subarray, names, fields, itemsize, alignment, flags[, metadata])."""
        plain = isinstance(state, tuple) and len(state) in (8, 9) and state[2:8] == (None, None, None, -1, -1, 0)
        if not (plain and isinstance(state, tuple) and state[1] in ("<", ">", "|", _NATIVE) and not any(state[8:])):
            raise RefusalError("holds an array of a compound type; only bool, int, uint and float are read")
        if state[1] != "|":
            self.dtype = self.dtype.newbyteorder(state[1])


class StoredArray:
    """``numpy.ndarray``, in two steps as NumPy pickles it; ``values`` is set by the second one."""

    def __init__(self, values: NDArray[np.generic] | None = None) -> None:
        self.values = values

    def build(self, state: object) -> None:
        """Fill it: (version, shape, dtype, Fortran order, bytes)."""
        if self.values is not None or not isinstance(state, tuple) or len(state) != 5:
            raise RefusalError("holds an array that is not as NumPy pickles it")
        _, shape, dtype, fortran, data = state
        self.values = _array(data, dtype, shape, fortran=fortran is True)


class StandIn:
    """Something of pydicom's that takes part as plain data; whatever else its state holds is ignored."""

    def build(self, state: object) -> None:
        """Ignore the state: how the number was spelled, how it is checked."""


class Opaque(StandIn):
    """Anything, where its value is not looked at."""


class UidText(str, StandIn):
    """``pydicom.uid.UID``."""

    __slots__ = ()


class DecimalNumber(float, StandIn):
    """``pydicom.valuerep.DSfloat``."""

    __slots__ = ()


class NumberList(list[float], StandIn):
    """``pydicom.multival.MultiValue`` of numbers."""

    def build(self, state: object) -> None:
        """Take the numbers out of a state that may also have slots, ``(dict, slots)``."""
        first = state[0] if isinstance(state, tuple) and state else state
        values = first.get("_list") if isinstance(first, dict) else None
        if isinstance(values, list) and len(values) <= MAX_VALUES:
            # A whole number of a pickle may be too large for a float.
            self[:] = [float(value) for value in values if isinstance(value, float | int) and abs(value) < MAX_NUMBER]


def _no_call(*_: object) -> None:
    raise RefusalError("calls what is no function, and is refused")


@dataclass(frozen=True, eq=False)
class Name:
    """A name that may occur.

    Parameters
    ----------
    make : what calling it does
    arguments : how many it takes; with none of them it may be named only
    is_class : whether it may be called as a class too
    """

    make: Callable[..., object] = _no_call
    arguments: range = range(0)
    is_class: bool = False

    def allows(self, count: int, *, new: bool) -> bool:
        """Whether it may be called with so many arguments, as a class (``new``) or a function."""
        return count in self.arguments and (self.is_class or not new)


def show(value: object) -> str:
    """A value for a message: text in quotes, cut short, a name as it is written, and the type of anything else."""
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:77] + "...")
    if isinstance(value, Name):
        return next(repr(text.replace(" ", ".")) for text, name in NAMES.items() if name is value)
    return type(value).__name__.lower()


def _reconstruct(kind: object, shape: object, code: object) -> StoredArray:
    if kind is not NDARRAY or shape != (0,) or code != b"b":
        raise RefusalError("holds an array that is not as NumPy pickles it")
    return StoredArray()


def _frombuffer(data: object, dtype: object, shape: object, order: object) -> StoredArray:
    if order not in ("C", "F"):
        raise RefusalError(f"holds an array in the order {show(order)}; only C and F are read")
    return StoredArray(_array(data, dtype, shape, fortran=order == "F"))


def _scalar(dtype: object, data: object) -> float | int | bool:
    value: float | int | bool = _array(data, dtype, (), fortran=False).item()
    return value


def _encode(text: object, codec: object) -> bytes:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise RefusalError(f"encodes {show(text)} by {show(codec)}; only text by latin1 is read")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise RefusalError("holds bytes that are not latin1; the file is damaged") from None


def _uid(text: object, *_: object) -> UidText:
    if not isinstance(text, str):
        raise RefusalError(f"holds a UID that is {show(text)}; it must be text")
    return UidText(text)


def _number(value: object, *_: object) -> DecimalNumber:
    if isinstance(value, str) and len(value) > 64:
        raise RefusalError(f"holds a number of {len(value)} characters; DICOM's have up to 16")
    try:
        return DecimalNumber(value if isinstance(value, float | int | str) else "")
    except (ValueError, OverflowError):
        raise RefusalError(f"holds a number that is {show(value)}") from None


def _numbers(*_: object) -> NumberList:
    return NumberList()


def _array(data: object, dtype: object, shape: object, *, fortran: bool) -> NDArray[np.generic]:
    """An array on the bytes themselves, without a copy, if they are as many as it says."""
    if not isinstance(dtype, StoredType) or not isinstance(data, bytes | bytearray) or not isinstance(shape, tuple):
        raise RefusalError(f"holds an array of {show(dtype)}, {show(shape)} and {show(data)}; it is not NumPy's")
    if len(shape) > 3 or not all(type(side) is int and 0 <= side <= MAX_SIDE for side in shape):
        sides = ", ".join(f"{side:.4g}" if type(side) is int and abs(side) < 1e99 else "?" for side in shape[:8])
        raise RefusalError(f"holds an array of shape ({sides}); up to 3 axes of up to {MAX_SIDE} are read")
    count = math.prod(shape)
    if count * dtype.dtype.itemsize != len(data):
        raise RefusalError(f"holds an array of {dtype.dtype} {shape} in {len(data)} bytes; the file is damaged")
    if dtype.dtype == np.bool_:
        flat: NDArray[np.generic] = np.frombuffer(data, np.uint8) != 0  # a byte other than 0 and 1 is no bool
    else:
        flat = np.frombuffer(data, dtype.dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


NDARRAY = Name()
DTYPE = Name(StoredType, range(3, 4))
ENCODE = Name(_encode, range(2, 3))
UID = Name(_uid, range(1, 4), is_class=True)

_FUNCTIONS = {
    "multiarray _reconstruct": Name(_reconstruct, range(3, 4)),
    "multiarray scalar": Name(_scalar, range(2, 3)),
    "numeric _frombuffer": Name(_frombuffer, range(4, 5)),
}

#: Module and name with a space between, as in a pickle.  NumPy 2 calls ``numpy.core`` ``numpy._core``.
NAMES: Mapping[str, Name] = MappingProxyType(
    {
        **{f"numpy.{core}.{text}": name for core in ("core", "_core") for text, name in _FUNCTIONS.items()},
        "numpy ndarray": NDARRAY,
        "numpy dtype": DTYPE,
        "_codecs encode": ENCODE,
        "pydicom.uid UID": UID,
        "pydicom.multival MultiValue": Name(_numbers, range(4), is_class=True),
        "pydicom.valuerep DSfloat": Name(_number, range(1, 4), is_class=True),
        "pydicom.valuerep DS": Name(),  # what some lists make their values with
    }
)
