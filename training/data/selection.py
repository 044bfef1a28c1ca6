"""Which slices of any source go into a file, and in what size; the same rules whatever the form."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from training.data.crops import random_crop
from training.data.field import Field
from training.data.forms.interface import NOT_DRAWN, Options, Tally
from training.errors import DataFormatError
from training.records import AnnotatedSlice


class Selection:
    """Looks at slice after slice; what is left out goes to the tally, with its reason.

    Parameters
    ----------
    options : ``size``, ``keep_empty``, ``random_crop`` and ``crop_seed`` are looked at
    tally : gets what is left out or worth knowing
    """

    def __init__(self, options: Options, tally: Tally) -> None:
        self._options, self._tally = options, tally
        self._keys: set[str] = set()
        self._pictures: set[bytes] = set()
        self._first: AnnotatedSlice | None = None  # as it was taken: the others must be like it

    def take(self, case: AnnotatedSlice) -> AnnotatedSlice | None:
        """The slice as it goes into the file, or None if it does not.

        Raises
        ------
        DataFormatError
            If it has another size than the slices before it, since a file holds one.
        """
        key = case.key
        if reason := self._against(case) or self._too_small(case):
            self._tally.drop(reason, key)
            return None
        case = self._cut(case)
        first = self._first = self._first or case
        if case.image.shape != first.image.shape:
            raise DataFormatError(
                f"slice {key!r} has {_size(case)} pixels, the slices before it {_size(first)}, "
                "and a file holds one size; cut all of them with --size"
            )
        if reason := _unlike(first, case):
            self._tally.drop(reason, key)
            return None
        if case.hounsfield is not None and first.hounsfield is None:
            self._tally.note("Hounsfield units left out, since the first slice has none", key)
            case = replace(case, hounsfield=None)
        self._keys.add(key)
        picture = hashlib.sha256(case.image.tobytes()).digest()
        if picture in self._pictures:
            self._tally.note("image that an earlier slice has too", key)
        self._pictures.add(picture)
        return case

    def _against(self, case: AnnotatedSlice) -> str:
        """Why a slice is left out whatever its size, "" if it is not."""
        if case.key in self._keys:
            return "key that an earlier slice has"
        if not case.n_found and not self._options.keep_empty:
            return NOT_DRAWN
        return ""

    def _too_small(self, case: AnnotatedSlice) -> str:
        sides = [side for side in (self._options.size, self._options.random_crop) if side is not None]
        too_large = [side for side in sides if min(case.image.shape) < side]
        return f"smaller than {too_large[0]} x {too_large[0]} pixels" if too_large else ""

    def _cut(self, case: AnnotatedSlice) -> AnnotatedSlice:
        """To the middle, then at random, each where it was asked for."""
        size, crop = self._options.size, self._options.random_crop
        if size is not None and case.image.shape != (size, size):
            self._tally.note(f"cut to the middle {size} x {size} pixels", case.key)
            height, width = case.image.shape
            middle = Field((height - size) // 2, (width - size) // 2, size, size)
            case = replace(middle.cut(case), key=case.key)
        # A mask may become empty here: in this square its expert sees nothing.
        return case if crop is None else random_crop(case, crop, self._options.crop_seed)


def _unlike(first: AnnotatedSlice, case: AnnotatedSlice) -> str:
    """Why a slice cannot be in one file with the first one, "" if it can."""
    if case.n_experts != first.n_experts:
        return f"other number of experts than the first slice's {first.n_experts}"
    if case.hounsfield is None and first.hounsfield is not None:
        return "no Hounsfield units, unlike the first slice"
    return ""


def _size(case: AnnotatedSlice) -> str:
    return " x ".join(map(str, case.image.shape))
