"""From any form on disk to the project's HDF5: one pass over the slices, each of them in memory once.

The form reads and says what each slice belongs to; `training.data.splits` divides the patients, and
`training.data.selection` decides what is left out.  Here all of it is put together, and the file says how it was made.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from training.data.dataset import Attribute
from training.data.forms.interface import MAX_SIDE, Form, Options, Tally
from training.data.forms.sniffing import AUTO as AUTO_LAYOUT
from training.data.forms.sniffing import open_form
from training.data.hdf5 import DatasetWriter, is_hdf5
from training.data.selection import Selection
from training.data.splits import AUTO as AUTO_RULE
from training.data.splits import DEFAULT_SEED, SPLITS, Division, divide
from training.errors import ConfigError, DataFormatError

MIN_SIDE = 8  # pixels; a network halves a side three times
MAX_REASONS = 100  # that a file lists


@dataclass(frozen=True)
class Plan:
    """Everything that decides the result of a conversion, besides the source.

    Parameters
    ----------
    layout : name of the source's form, or ``auto`` to find out
    rule : how patients are put into splits, as in `training.data.splits.divide`
    seed : of a drawn split
    options : what the form and the selection are told
    """

    layout: str = AUTO_LAYOUT
    rule: str = AUTO_RULE
    seed: int = DEFAULT_SEED
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        for side in (self.options.size, self.options.random_crop):
            if side is not None and not MIN_SIDE <= side <= MAX_SIDE:
                raise ConfigError(f"the size of slices must be {MIN_SIDE} to {MAX_SIDE} pixels, got {side}")


@dataclass(frozen=True)
class Progress:
    """How far a conversion is: ``done`` of about ``total`` slices."""

    done: int
    total: int


@dataclass(frozen=True)
class Report:
    """What a conversion did, as JSON values in reading order.

    ``source, layout, out``; ``slices, patients``; ``split`` with its rule, seed, the slices of each and the patients
    that the rule itself had put apart; ``dropped`` and ``noted`` with, for each reason, its count and the first key
    or file.
    """

    facts: Mapping[str, object]


def remarks(facts: Mapping[str, Any]) -> list[str]:
    """What was left out and what was kept but is worth knowing, one line for each reason.

    Parameters
    ----------
    facts : of a `Report`
    """
    return [
        f"{heading}: {found['count']:,} x {reason}; first {found['first']}"
        for heading, reasons in (("left out", facts["dropped"]), ("kept, but", facts["noted"]))
        for reason, found in reasons.items()
    ]


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
        On a plan that is not possible for this source, or an ``out`` that must not be replaced.
    DataFormatError
        If the source is of no known form or damaged as a whole, or no slice of it can be used.
    """
    _require_target(out, source)
    form = open_form(source, plan.layout, plan.options)
    division = divide(form.units(), plan.rule, plan.seed)
    tally, slices, patients, n_experts = Tally(), Counter[str](), set(), 0
    if division.passed_over:
        tally.note(division.passed_over, str(source))
    options = replace(plan.options, keep_empty=plan.options.keep_empty or form.keeps_empty)
    selection = Selection(options, tally)
    with DatasetWriter(out, form.image_type) as writer:
        for done, found in enumerate(form.read(tally), 1):
            progress(Progress(done, max(done, len(form))))
            case = selection.take(found.case)
            if case is None:
                continue
            split = division.split_of[found.unit.patient]
            writer.append(split, case)
            slices[split] += 1
            patients.add(case.patient)
            n_experts = case.n_experts
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
                "patients_kept_together": list(division.kept_together),
            },
            "dropped": _counted(tally.dropped, tally),
            "noted": _counted(tally.noted, tally),
        }
    )


def _require_target(out: Path, source: Path) -> None:
    """Refuse to replace what is read, any part of it, or anything that is no file of slices."""
    if not out.exists():
        return
    if source.exists() and out.samefile(source):
        raise ConfigError(f"cannot write {out}: it is also what is read; give another name")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"cannot write {out}: it is part of what is read; give a name outside of {source}")
    if not out.is_file() or (out.stat().st_size and not is_hdf5(out)):  # an empty file may be a name that was kept free
        raise ConfigError(f"cannot write {out}: what is there is no HDF5 file, and stays; give another name")


def _attributes(form: Form, plan: Plan, division: Division, tally: Tally, n_experts: int) -> dict[str, Attribute]:
    """What the file says about itself; texts of JSON where there is more than one value."""
    return {
        **form.attributes,
        "layout": form.name,
        "experts": n_experts,
        "split": division.rule,
        **({} if division.seed is None else {"split_seed": division.seed}),
        **({} if not division.kept_together else {"patients_kept_together": ", ".join(division.kept_together)}),
        "options": json.dumps(asdict(plan.options)),
        "dropped": json.dumps(_most(tally.dropped)),
        "noted": json.dumps(_most(tally.noted)),
    }


def _most(reasons: Counter[str]) -> dict[str, int]:
    """The counts of the commonest reasons, and what is left in sum: an attribute of a file has its limits."""
    most = dict(reasons.most_common(MAX_REASONS))
    rest = reasons.total() - sum(most.values())
    return most | ({"other reasons": rest} if rest else {})


def _counted(reasons: Mapping[str, int], tally: Tally) -> dict[str, object]:
    return {reason: {"count": count, "first": tally.examples[reason]} for reason, count in reasons.items()}


def _reasons(tally: Tally) -> str:
    return "; ".join(f"{reason} ({count})" for reason, count in tally.dropped.most_common(4)) or "there are none"
