"""An entry of the case book as plain JSON values, and back: a file that anyone may have edited.  No Qt, torch-free."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np

from napari_ambiseg.entries import FLAGS, ComparedWith, Entry
from training.errors import DataFormatError
from training.export.own_reading import Distance
from training.records import BoolArray

_LONGEST_NOTE = 2000  # letters
_LARGEST_MASK = 2**26  # pixels
_LONGEST_NAME = 4096
_LONGEST_READ_S = 1e9
_WIDEST_PIXEL_MM = 1e4
_TEXTS = {"note": _LONGEST_NOTE, "model": _LONGEST_NAME, "patient": _LONGEST_NAME}


def as_json(entry: Entry) -> dict[str, Any]:
    """All of an entry that is not empty."""
    told: dict[str, Any] = {}
    for field in fields(Entry):
        value = getattr(entry, field.name)
        if value is None or (field.name != "mask" and value == field.default):
            continue
        if field.name == "mask":
            value = {"shape": list(value.shape), "runs": _runs(value)}
        elif field.name == "distances":
            value = [[one.name, one.distance, one.dice, one.area] for one in entry.distances]
        elif field.name == "spacing_mm":
            value = list(value)
        elif field.name == "compared":
            value = asdict(value)
        told[field.name] = value
    return told


def _runs(mask: BoolArray) -> list[int]:
    """Lengths of the runs of equal pixels, the first one of background, maybe of none."""
    flat = mask.ravel()
    turns = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], turns, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def from_json(value: Any, what: str) -> tuple[tuple[str, str, str], Entry]:
    """An entry, and source, split and key of the case that it is of.

    Parameters
    ----------
    what : what the error calls it

    Raises
    ------
    DataFormatError
        With the field and its value.
    """
    if not isinstance(value, dict):
        raise DataFormatError(f"{what} must be an object, got {type(value).__name__}")
    names = {"source", "split", "key"} | {field.name for field in fields(Entry)}
    if unknown := sorted(str(name) for name in set(value) - names):
        raise DataFormatError(f"{what} has the unknown field {unknown[0]!r}; there are: {', '.join(sorted(names))}")
    source, split, key = (
        _text(value.get(name), _LONGEST_NAME, f"{what}, {name}") for name in ("source", "split", "key")
    )
    found = {name: value[name] for name in value if name not in ("source", "split", "key")}
    for name in ("seen", "revealed", "changed", "model_seen"):
        if name in found:
            _require_time(found[name], f"{what}, {name}")
    for name in ("nothing", "blind", "after_model"):
        if not isinstance(found.get(name, False), bool):
            raise DataFormatError(f"{what}, {name}: must be true or false, got {found[name]!r}")
    if not isinstance(found.get("flag", ""), str):
        raise DataFormatError(f"{what}, flag: must be text, got {found['flag']!r}")
    if "mask" in found:
        found["mask"] = _mask(found["mask"], f"{what}, mask")
    if "distances" in found:
        found["distances"] = _distances(found["distances"], f"{what}, distances")
    if "ged" in found:
        found["ged"] = _number(found["ged"], -2.0, 2.0, f"{what}, ged")
    if "seconds" in found:
        found["seconds"] = _number(found["seconds"], 0.0, _LONGEST_READ_S, f"{what}, seconds")
    if "spacing_mm" in found:
        found["spacing_mm"] = _spacing(found["spacing_mm"], f"{what}, spacing_mm")
    if "compared" in found:
        found["compared"] = _compared(found["compared"], f"{what}, compared")
    for name in ("n", "seed"):
        if name in found:
            _require_count(found[name], f"{what}, {name}")
    return (source, split, key), checked(Entry(**found), what)


def checked(entry: Entry, what: str) -> Entry:
    """The same entry.

    Raises
    ------
    DataFormatError
        On a flag that there is not, a text that is too long, or a content that is none.
    """
    if entry.flag not in FLAGS:
        raise DataFormatError(f"{what}: unknown flag {entry.flag!r}; choose one of: {', '.join(map(repr, FLAGS))}")
    for name, longest in _TEXTS.items():
        _text(getattr(entry, name), longest, f"{what}, {name}")
    if not isinstance(entry.content, str) or not re.fullmatch("(?:[0-9a-f]{64})?", entry.content):
        raise DataFormatError(f"{what}, content: must be 64 hexadecimal digits, got {str(entry.content)[:80]!r}")
    return entry


def _text(value: Any, longest: int, what: str) -> str:
    if not isinstance(value, str) or len(value) > longest:
        found = f"{len(value)} letters" if isinstance(value, str) else type(value).__name__
        raise DataFormatError(f"{what}: must be text of at most {longest} letters, got {found}")
    return value


def _require_time(value: Any, what: str) -> None:
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo:
            at.astimezone(UTC)  # the year 1 or 9999 has times that are none there
    except (TypeError, ValueError, OverflowError):
        raise DataFormatError(f"{what}: must be a time such as 2026-01-31T12:00:00+00:00, got {value!r}") from None


def _number(value: Any, low: float, high: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high or math.isinf(value):
        raise DataFormatError(f"{what}: must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def _require_count(value: Any, what: str) -> None:
    if type(value) is not int or value < 0:
        raise DataFormatError(f"{what}: must be a whole number, 0 or more, got {value!r}")


def _spacing(value: Any, what: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise DataFormatError(f"{what}: must be two numbers of mm, got {value!r}")
    row, column = (_number(one, 0.0, _WIDEST_PIXEL_MM, what) for one in value)
    if not (row and column):
        raise DataFormatError(f"{what}: must be above 0 mm, got {value!r}")
    return row, column


def _compared(value: Any, what: str) -> ComparedWith:
    if not isinstance(value, dict) or set(value) != {field.name for field in fields(ComparedWith)}:
        raise DataFormatError(f"{what}: must be an object with model, n, seed and cleaning, got {value!r}")
    for name in ("n", "seed"):
        _require_count(value[name], f"{what}, {name}")
    for name in ("model", "cleaning"):
        _text(value[name], _LONGEST_NAME, f"{what}, {name}")
    return ComparedWith(**value)


def _mask(value: Any, what: str) -> BoolArray:
    shape, runs = (_counts(value.get("shape")), _counts(value.get("runs"))) if isinstance(value, dict) else ([], [])
    pixels = math.prod(shape)
    if len(shape) != 2 or not 0 < pixels <= _LARGEST_MASK:
        raise DataFormatError(f"{what}: shape must be two whole numbers, at most {_LARGEST_MASK} pixels, got {shape}")
    if sum(runs) != pixels:
        raise DataFormatError(f"{what}: the lengths of the runs must be whole and add up to the {pixels} pixels")
    values: BoolArray = (np.arange(len(runs)) % 2 == 1).repeat(runs).reshape(shape)
    return values


def _counts(values: Any) -> list[int]:
    """The same list if it holds whole numbers alone, else an empty one."""
    good = isinstance(values, list) and all(type(value) is int and 0 <= value <= _LARGEST_MASK for value in values)
    return values if good else []


def _distances(value: Any, what: str) -> tuple[Distance, ...]:
    if not isinstance(value, Iterable) or isinstance(value, str | Mapping):
        raise DataFormatError(f"{what}: must be a list, got {type(value).__name__}")
    found = []
    for one in value:
        if not isinstance(one, list) or len(one) != 4:
            raise DataFormatError(f"{what}: each must be [name, distance, dice, area], got {one!r}")
        name, *numbers = one
        limits = (1.0, 1.0, math.inf)
        found.append(
            Distance(
                _text(name, _LONGEST_NAME, what),
                *(_number(n, 0.0, top, what) for n, top in zip(numbers, limits, strict=True)),
            )
        )
    return tuple(found)
