"""Which NIfTI file is an image, which an expert's mask, and of which scan: told from the names alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.forms._folders import look_into, natural
from training.data.forms.interface import Tally

_SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9]+")
_MASK = re.compile(r"(mask|seg|label|expert|rater|reader|annot)\w*|\w*(mask|seg)s?\d*", re.IGNORECASE)
_IMAGE = re.compile(r"(image|img|ct|scan|t1[a-z]*|t2[a-z]*|flair|mri?|vol(ume)?)\d*", re.IGNORECASE)
_SEPARATORS = "_-. "


@dataclass(frozen=True)
class ScanFiles:
    """The files of one scan; ``masks`` by the experts' names, in natural order."""

    name: str
    image: Path
    masks: Mapping[str, Path]


def is_volume(path: Path) -> bool:
    return _SUFFIX.search(path.name) is not None


def is_mask(path: Path) -> bool:
    """Whether one of the words of its name says that it is a mask."""
    return any(map(_MASK.fullmatch, _WORD.findall(_stem(path))))


def find_scans(root: Path, tally: Tally) -> list[ScanFiles]:
    """Every scan below a folder; what is passed over goes to the tally.

    A folder below ``root`` is a scan.  Files in ``root`` itself are ``<scan>_<image word>`` and ``<scan>_<expert>``;
    if only one of them is an image, all of them are of one scan.

    Raises
    ------
    DataFormatError
        If a folder cannot be listed.
    """
    listing = look_into(root, root, tally)
    scans = _flat_scans(root, list(filter(is_volume, listing.files.values())), tally)
    for name, folder in listing.folders.items():
        files = list(filter(is_volume, look_into(folder, root, tally).files.values()))
        images = [file for file in files if not is_mask(file)]
        if len(images) > 1:
            images = [file for file in images if _image_word(_stem(file)) is not None]
        if files and len(images) != 1:
            tally.drop("scan needs exactly one image file", name)
        elif files:
            masks = list(filter(is_mask, files))
            for file in files:
                if file != images[0] and file not in masks:
                    tally.drop("file is neither the scan's image nor a mask by its name", repr(str(file)))
            scans.append(_scan(name, images[0], masks, tally))
    return _with_same_experts(scans, tally)


def _flat_scans(root: Path, files: Sequence[Path], tally: Tally) -> list[ScanFiles]:
    images = [file for file in files if not is_mask(file)]
    masks = list(filter(is_mask, files))
    if len(images) == 1:
        return [_scan(_scan_name(images[0]) or root.resolve().name, images[0], masks, tally)]
    names = Counter(map(_scan_name, images))
    of_scan: dict[str, list[Path]] = {}
    for mask in masks:
        fitting = [name for name in names if name and _after(_stem(mask), name)]
        if fitting:
            of_scan.setdefault(max(fitting, key=len), []).append(mask)
        else:
            tally.drop("mask without an image", repr(str(mask)))
    scans = []
    for image in images:
        name = _scan_name(image)
        if not name or names[name] > 1:
            tally.drop("scan needs exactly one image file", repr(str(image)))
        else:
            scans.append(_scan(name, image, of_scan.get(name, []), tally))
    return scans


def _scan(name: str, image: Path, masks: Sequence[Path], tally: Tally) -> ScanFiles:
    prefixes = [prefix for prefix in (name, _scan_name(image)) if prefix]
    experts: dict[str, Path] = {}
    for mask in masks:
        stem = _stem(mask)
        expert = next((rest for prefix in prefixes if (rest := _after(stem, prefix))), stem)
        if experts.setdefault(expert, mask) != mask:
            tally.drop("another file is this expert's mask already", repr(str(mask)))
    return ScanFiles(name, image, {expert: experts[expert] for expert in sorted(experts, key=natural)})


def _with_same_experts(scans: Sequence[ScanFiles], tally: Tally) -> list[ScanFiles]:
    """Only the scans with the experts that most scans have, so that a slot is one expert; the others are dropped."""
    counts = Counter(tuple(scan.masks) for scan in scans if scan.masks)
    common = max(counts, key=lambda experts: (counts[experts], len(experts)), default=())
    kept = []
    for scan in scans:
        missing = next((expert for expert in common if expert not in scan.masks), None)
        if tuple(scan.masks) == common:
            kept.append(scan)
        elif missing is not None:
            tally.drop(f"{missing} is missing", scan.name)
        else:
            tally.drop("scan has masks that most have not", scan.name)
    return kept


def _stem(path: Path) -> str:
    return _SUFFIX.sub("", path.name)


def _image_word(stem: str) -> re.Match[str] | None:
    """The last word that says image."""
    words = [word for word in _WORD.finditer(stem) if _IMAGE.fullmatch(word[0])]
    return words[-1] if words else None


def _scan_name(image: Path) -> str:
    """What stands before the word for the image, all of the name if there is no such word."""
    stem = _stem(image)
    word = _image_word(stem)
    return stem if word is None else stem[: word.start()].rstrip(_SEPARATORS)


def _after(stem: str, scan: str) -> str:
    """What follows the scan's name in a file's, empty if it does not begin with it."""
    rest = stem.removeprefix(scan)
    return rest.strip(_SEPARATORS) if rest != stem and rest[:1] in tuple(_SEPARATORS) else ""
