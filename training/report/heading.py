"""What one has to know beside a table or figure: data, split, crop, cases, seeds, scale and commit."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from training.ablation.grid import shipped
from training.ablation.results import GridResult
from training.ablation.scale import FULL, SCALES
from training.evaluation.summary import few_patients
from training.report.material import Material, done

#: The grids with cells that need the baselines.
WITH_BASELINES = ("table1", "table2", "table4")
_LONGEST = 3  # values of one kind that are listed; more are counted

Facts = tuple[tuple[str, str], ...]


def command(grid: str, material: Material) -> str:
    """What makes the results of a grid: in this folder, on its data and at its scale, as far as they are known."""
    own = material.grids.get(grid)
    facts = next((found.facts for found in (own, *material.grids.values()) if found and found.facts.get("data")), {})
    options = [f"--set {shlex.quote(f'{key}={value}')}" for key, value in facts.get("settings", {}).items()]
    name = str(facts.get("scale", {}).get("name", FULL)).partition(" with ")[0]
    if name != FULL:
        is_known = name in shipped(SCALES) or name.replace(".", "").isdigit()
        options.insert(0, f"--scale {name if is_known else f'{shlex.quote(name)}.toml'}")
    made = " ".join(["ambiseg ablate", grid, _data_paths(facts), shlex.quote(str(material.folder)), *options])
    return f"{made} (the baselines will stay missing)" if grid in WITH_BASELINES else made


def _data_paths(facts: Mapping[str, Any]) -> str:
    """The files that a grid was trained and scored on; DATA where nothing is recorded."""
    data = facts.get("data") or {}
    try:
        paths = [file["path"] for file in (*data["training"], data["scored"])]
    except (KeyError, TypeError):
        return "DATA"
    return " ".join(shlex.quote(str(Path(path))) for path in dict.fromkeys(paths)) or "DATA"


def facts_of(grid: GridResult | None) -> Facts:
    """(what, value) for everything that the results of a grid depend on; none where nothing is done."""
    found = [scores for _, scores in done(grid)]
    if grid is None or not found:
        return ()
    seeds = grid.facts.get("seeds", {})
    return (
        ("runs", _progress(grid)),
        *(fact for fact in evaluation_facts(found) if fact[0] != "seeds"),
        ("seeds", "; ".join(f"{what} {', '.join(map(str, values))}" for what, values in seeds.items() if values)),
        ("scale", scale_of(grid)),
    )


def evaluation_facts(found: Iterable[Mapping[str, Any]]) -> Facts:
    """(what, value) for what some evaluations share, or in what they differ."""
    found = list(found)
    return (
        ("data", _listed(f"{data_name(s)} (sha256 {short(s.get('data_sha256'))})" for s in found)),
        ("split", _listed(split_of(s) for s in found)),
        ("cases", _listed(cases_of(s) for s in found)),
        ("post-processing", _listed(_relative_areas(s) for s in found)),
        ("seeds", _listed(_seeds(s) for s in found)),
        ("commit", _listed(short(s.get("git_commit"), "unknown") for s in found)),
    )


def warnings_of(grid: GridResult | None) -> tuple[str, ...]:
    """What must not be overlooked: shortened runs, few patients, patients in two splits, a damaged record."""
    if grid is None:
        return ()
    lines = [grid.facts.get("notice"), few_of(scores for _, scores in done(grid)), *grid.facts.get("cautions", ())]
    return tuple(f"{str(line)[:1].upper()}{str(line)[1:]}" for line in lines if line)


def few_of(found: Iterable[Mapping[str, Any]]) -> str:
    """A line where some evaluations are of too few patients for their intervals."""
    least = min((int(scores["patients"]) for scores in found), default=None)
    return "" if least is None else few_patients(least)


def scale_of(grid: GridResult) -> str:
    """The name of the scale, and what it says of itself."""
    scale = grid.facts.get("scale", {})
    name, title = str(scale.get("name", "unknown")), scale.get("title")
    return name if name == FULL or not title else f"{name} ({title})"


def split_of(scores: Mapping[str, Any]) -> str:
    """The split, and what of each slice was looked at."""
    return f"{scores['split']}, {crop_of(scores)}"


def crop_of(scores: Mapping[str, Any]) -> str:
    """What of each slice was looked at."""
    crop = scores.get("crop")
    return "whole slices" if crop is None else f"random {crop['size']} × {crop['size']} crops, crop seed {crop['seed']}"


def cases_of(scores: Mapping[str, Any]) -> str:
    """How many cases of how many patients."""
    cases, patients = scores["cases"], scores["patients"]
    return f"{cases:,} case{'s' * (cases != 1)} of {patients:,} patient{'s' * (patients != 1)}"


def data_name(scores: Mapping[str, Any]) -> str:
    """The data file's name, without the folders of whoever made it."""
    return PurePath(str(scores["data"])).name


def short(digest: object, unknown: str = "not recorded") -> str:
    """The first digits of a hash, enough to compare by eye; a commit keeps the "+" that says that files differed."""
    text = str(digest or "")
    return f"{text[:12]}{'+' * (len(text) > 12 and text.endswith('+'))}" or unknown


def _progress(grid: GridResult) -> str:
    n_done, n_failed = (sum(cell.state == state for cell in grid.cells) for state in ("done", "failed"))
    failed = f", {n_failed} failed" if n_failed else ""
    return f"{n_done} of {len(grid.cells)} done{failed}"


def _relative_areas(scores: Mapping[str, Any]) -> str:
    areas = scores["postprocess"]
    return "none" if not areas else f"relative area, r = {', '.join(f'{r:g}' for r in areas)}"


def _seeds(scores: Mapping[str, Any]) -> str:
    return f"noise {scores.get('seed')}"


def _listed(values: Iterable[str]) -> str:
    different = list(dict.fromkeys(values))
    more = len(different) - _LONGEST
    return "; ".join(different[:_LONGEST]) + (f"; and {more} more" if more > 0 else "")
