"""From any form on disk to the project's HDF5: one pass over the slices, each of them in memory once.

The form reads and says what each slice belongs to.  Here it is decided which split that goes to, what is left out
of any data (slices that nobody drew on, too small ones, keys that come twice), and what the file says about itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from training.data.crops import random_crop
from training.data.dataset import Attribute
from training.data.forms.interface import Form, Found, Options, Tally
from training.data.forms.sniffing import AUTO, open_form
from training.data.hdf5 import DatasetWriter
from training.data.splits import DEFAULT_SEED, SPLITS, Division, divide
from training.errors import ConfigError, DataFormatError
from training.records import AnnotatedSlice

MIN_SIZE, MAX_SIZE = 8, 4096  # pixels; a network halves a side three times


@dataclass(frozen=True)
class Plan:
    """Everything that decides the result of a conversion, besides the source.

    Parameters
    ----------
    layout : name of the source's form, or ``auto`` to find out
    rule : how patients are put into splits, as in `training.data.splits.divide`
    seed : of a drawn split
    options : what the form and this module may be told
    """

    layout: str = AUTO
    rule: str = "auto"
    seed: int = DEFAULT_SEED
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        for side in (self.options.size, self.options.random_crop):
            if side is not None and not MIN_SIZE <= side <= MAX_SIZE:
                raise ConfigError(f"the size of slices must be {MIN_SIZE} to {MAX_SIZE} pixels, got {side}")


@dataclass(frozen=True)
class Progress:
    """How far a conversion is: ``done`` of about ``total`` slices."""

    done: int
    total: int


@dataclass(frozen=True)
class Report:
    """What a conversion did, as JSON values in reading order.

    ``source, layout, out``; ``slices, patients``; ``split`` with its rule, seed and the slices of each;
    ``dropped`` and ``noted`` with, for each reason, its count and the first key or file.
    """

    facts: Mapping[str, object]


def prepare(source: Path, out: Path, plan: Plan, progress: Callable[[Progress], None]) -> Report:
    """Convert annotated slices of any form to the project's HDF5.

    Parameters
    ----------
    source : a file or a folder of one of `training.data.forms`
    out : the file to write; it appears when it is complete, and until then an old one stays as it was
    plan : how
    progress : called for every slice of the source

    Returns
    -------
    What is in the file, what was left out, and why.

    Raises
    ------
    ConfigError
        On a plan that is not possible for this source.
    DataFormatError
        If the source is of no known form or damaged as a whole, or no slice of it can be used.
    """
    if out.exists() and source.exists() and out.samefile(source):
        raise ConfigError(f"cannot write {out}: it is also what is read; give another name")
    form = open_form(source, plan.layout, plan.options)
    division = divide(form.units(), plan.rule, plan.seed)
    tally, slices, patients, n_experts = Tally(), Counter[str](), set(), 0
    with DatasetWriter(out, form.image_type) as writer:
        for found in _usable(form, plan.options, tally, progress):
            split = division.split_of[found.unit.patient]
            writer.append(split, found.case)
            slices[split] += 1
            patients.add(found.case.patient)
            n_experts = found.case.n_experts
        if not slices:
            raise DataFormatError(f"{source}: none of its slices can be used: {_reasons(tally)}")
        writer.finish(_attributes(form, plan, division, tally, n_experts))
    return Report(
        {
            "source": str(source),
            "layout": form.name,
            "out": str(out),
            "slices": slices.total(),
            "patients": len(patients),
            "split": {
                "rule": division.rule,
                "seed": division.seed,
                "slices": {name: slices[name] for name in SPLITS if slices[name]},
                "patients_kept_together": list(division.moved),
            },
            "dropped": _counted(tally.dropped, tally),
            "noted": _counted(tally.noted, tally),
        }
    )


def _usable(form: Form, options: Options, tally: Tally, progress: Callable[[Progress], None]) -> Iterator[Found]:
    """The slices that go into the file, all of one size, each key once."""
    keys: set[str] = set()
    pictures: set[bytes] = set()
    shape: tuple[int, ...] | None = None
    has_units: bool | None = None
    for done, found in enumerate(form.read(tally), 1):
        progress(Progress(done, max(done, len(form))))
        case = found.case
        if case.key in keys:
            tally.drop("key that an earlier slice has", case.key)
            continue
        if not case.n_found and not options.keep_empty:
            tally.drop("no expert drew anything", case.key)
            continue
        if options.size is not None and case.image.shape != (options.size, options.size):
            if min(case.image.shape) < options.size:
                tally.drop(f"smaller than {options.size} x {options.size} pixels", case.key)
                continue
            tally.note(f"cut to the middle {options.size} x {options.size} pixels", case.key)
            case = _middle(case, options.size)
        if options.random_crop is not None:
            if min(case.image.shape) < options.random_crop:
                tally.drop(f"smaller than {options.random_crop} x {options.random_crop} pixels", case.key)
                continue
            case = random_crop(case, options.random_crop, options.crop_seed)
        shape = shape or case.masks.shape
        if case.masks.shape[1:] != shape[1:]:
            raise DataFormatError(
                f"slice {case.key!r} has {case.masks.shape[1]} x {case.masks.shape[2]} pixels, the slices before it "
                f"{shape[1]} x {shape[2]}, and a file holds one size; cut all of them with --size"
            )
        if case.masks.shape[0] != shape[0]:
            tally.drop(f"other number of experts than the first slice's {shape[0]}", case.key)
            continue
        if has_units is None:
            has_units = case.hounsfield is not None
        if has_units and case.hounsfield is None:
            tally.drop("no Hounsfield units, unlike the first slice", case.key)
            continue
        if not has_units and case.hounsfield is not None:
            tally.note("Hounsfield units left out, since the first slice has none", case.key)
            case = replace(case, hounsfield=None)
        keys.add(case.key)
        picture = hashlib.sha256(case.image.tobytes()).digest()
        if picture in pictures:
            tally.note("image that an earlier slice has too", case.key)
        pictures.add(picture)
        yield Found(case, found.unit)


def _middle(case: AnnotatedSlice, size: int) -> AnnotatedSlice:
    """The ``size`` x ``size`` pixels around the centre."""
    top, left = ((side - size) // 2 for side in case.image.shape)
    window = (slice(top, top + size), slice(left, left + size))
    units = case.hounsfield
    return AnnotatedSlice(
        np.ascontiguousarray(case.image[window]),
        np.ascontiguousarray(case.masks[:, *window]),
        case.patient,
        case.key,
        case.spacing_mm,
        None if units is None else np.ascontiguousarray(units[window]),
    )


def _attributes(form: Form, plan: Plan, division: Division, tally: Tally, n_experts: int) -> dict[str, Attribute]:
    """What the file says about itself; texts of JSON where there is more than one value."""
    return {
        "layout": form.name,
        **form.attributes,
        "experts": n_experts,
        "split": division.rule,
        **({} if division.seed is None else {"split_seed": division.seed}),
        "options": json.dumps(asdict(plan.options)),
        "dropped": json.dumps(dict(tally.dropped)),
        "noted": json.dumps(dict(tally.noted)),
    }


def _counted(reasons: Mapping[str, int], tally: Tally) -> dict[str, object]:
    return {reason: {"count": count, "first": tally.examples[reason]} for reason, count in reasons.items()}


def _reasons(tally: Tally) -> str:
    return "; ".join(f"{reason} ({count})" for reason, count in tally.dropped.most_common(4)) or "there are none"
