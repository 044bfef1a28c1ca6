"""Which NIfTI file is an image, which an expert's mask, and of which case: told from the names alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.forms._folders import look_into, natural

_SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9]+")
_MASK = re.compile(r"(mask|seg|label|expert|rater|reader|annot)\w*|\w*(mask|seg)s?\d*", re.IGNORECASE)
_IMAGE = re.compile(r"(image|img|ct|scan|t1[a-z]*|t2[a-z]*|flair|mri?|vol(ume)?)\d*", re.IGNORECASE)
_SEPARATORS = "_-. "


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case; ``masks`` by the experts' names, in natural order."""

    name: str
    image: Path
    masks: Mapping[str, Path]


def is_volume(path: Path) -> bool:
    return _SUFFIX.search(path.name) is not None


def is_mask(path: Path) -> bool:
    """Whether one of the words of its name says that it is a mask."""
    return any(map(_MASK.fullmatch, _WORD.findall(_stem(path))))


def find_cases(root: Path) -> tuple[list[CaseFiles], list[tuple[str, str]]]:
    """Every case below a folder, and what was passed over, as (reason, what).

    A folder below ``root`` is a case.  Files in ``root`` itself are ``<case>_<image word>`` and ``<case>_<expert>``;
    if only one of them is an image, all of them are its case.

    Raises
    ------
    DataFormatError
        If a folder cannot be listed.
    """
    listing = look_into(root, root)
    dropped = list(listing.refused)
    cases = _flat_cases(root, list(filter(is_volume, listing.files.values())), dropped)
    for name, folder in listing.folders.items():
        inside = look_into(folder, root)
        dropped.extend(inside.refused)
        files = list(filter(is_volume, inside.files.values()))
        images = [file for file in files if not is_mask(file)]
        if len(images) > 1:
            images = [file for file in images if _image_word(_stem(file)) is not None]
        if files and len(images) != 1:
            dropped.append(("case needs exactly one image file", name))
        elif files:
            cases.append(_case(name, images[0], list(filter(is_mask, files))))
    return _with_same_experts(cases, dropped), dropped


def _flat_cases(root: Path, files: Sequence[Path], dropped: list[tuple[str, str]]) -> list[CaseFiles]:
    images = [file for file in files if not is_mask(file)]
    masks = list(filter(is_mask, files))
    if len(images) == 1:
        return [_case(_case_name(images[0]) or root.resolve().name, images[0], masks)]
    names = Counter(map(_case_name, images))
    of_case: dict[str, list[Path]] = {}
    for mask in masks:
        fitting = [name for name in names if name and _after(_stem(mask), name)]
        if fitting:
            of_case.setdefault(max(fitting, key=len), []).append(mask)
        else:
            dropped.append(("mask without an image", repr(str(mask))))
    cases = []
    for image in images:
        name = _case_name(image)
        if not name or names[name] > 1:
            dropped.append(("case needs exactly one image file", repr(str(image))))
        else:
            cases.append(_case(name, image, of_case.get(name, [])))
    return cases


def _case(name: str, image: Path, masks: Sequence[Path]) -> CaseFiles:
    experts = {_after(_stem(mask), name) or _stem(mask): mask for mask in masks}
    return CaseFiles(name, image, {expert: experts[expert] for expert in sorted(experts, key=natural)})


def _with_same_experts(cases: Sequence[CaseFiles], dropped: list[tuple[str, str]]) -> list[CaseFiles]:
    """Only the cases with as many experts as most cases have; the others are dropped with what they lack."""
    counts = Counter(tuple(case.masks) for case in cases if case.masks)
    common = max(counts, key=lambda experts: (counts[experts], len(experts)), default=())
    kept = []
    for case in cases:
        missing = next((expert for expert in common if expert not in case.masks), None)
        if len(case.masks) == len(common):
            kept.append(case)
        elif missing is not None:
            dropped.append((f"{missing} is missing", case.name))
        else:
            dropped.append(("case has more masks than most", case.name))
    return kept


def _stem(path: Path) -> str:
    return _SUFFIX.sub("", path.name)


def _image_word(stem: str) -> re.Match[str] | None:
    """The last word that says image."""
    words = [word for word in _WORD.finditer(stem) if _IMAGE.fullmatch(word[0])]
    return words[-1] if words else None


def _case_name(image: Path) -> str:
    """What stands before the word for the image, all of the name if there is no such word."""
    stem = _stem(image)
    word = _image_word(stem)
    return stem if word is None else stem[: word.start()].rstrip(_SEPARATORS)


def _after(stem: str, case: str) -> str:
    """What follows the case's name in a file's, empty if it does not begin with it."""
    rest = stem.removeprefix(case)
    return rest.strip(_SEPARATORS) if rest != stem and rest[:1] in tuple(_SEPARATORS) else ""
