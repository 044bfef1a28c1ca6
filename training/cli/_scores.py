"""How commands print scores: means with their intervals, raw and post-processed side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from training.cli._printing import counted, number, say, way_of_drawing

if TYPE_CHECKING:
    from training.metrics.glossary import Score

_EXPLAINED = "docs/metrics.md says what each number means"
# What a reader asks first, in this order; the other scores follow as the glossary has them.
_FIRST = (
    "ged_u",
    "ged_v",
    "dice",
    "hm_iou",
    "diversity_model",
    "diversity_experts",
    "empty_model",
    "empty_experts",
    "presence_error",
    "presence_brier",
)
_BETTER = {"lower": "lower", "higher": "higher", "experts": "as the experts", "none": ""}
# What the first lines of a comparison say already.
_TOLD_ALREADY = ("segmenter", "sampling, model")
# More columns than these do not fit beside each other.
_SIDE_BY_SIDE = 3
_DIGITS_OF_A_HASH = 12
_HASH = re.compile(r"[0-9a-f]{40,}\+?")

Row = tuple[str, ...]


def print_scores(summary: Mapping[str, Any], cost: Mapping[str, Any] | None = None) -> None:
    """Print an evaluation for a person: a table for each number of masks, and what stands beside them.

    Parameters
    ----------
    summary : as `ambiseg evaluate --out` writes it
    cost : what it took, as is written beside it; None leaves the line out
    """
    from training.evaluation.cases import HUMAN
    from training.evaluation.summary import few_patients

    cases, patients = counted(summary["cases"], "case"), counted(summary["patients"], "patient")
    columns = "mean (no interval: one patient)" if summary["patients"] == 1 else "mean [95 % interval over patients]"
    say(f"{summary['segmenter']}: {cases} of {patients}; {columns}")
    if way := way_of_drawing(summary["sampling"]):
        say(way)
    if few := few_patients(summary["patients"]):
        say(f"note: {few}")
    for n, variants in summary["scores"].items():
        names = list(variants)
        for start in range(0, len(names), _SIDE_BY_SIDE):
            _say_table(_score_rows(n, names[start : start + _SIDE_BY_SIDE], summary))
    say("")
    if summary["floor"] and summary["segmenter"] != HUMAN:  # whose floor is its own score
        experts = " or ".join(map(str, summary["experts"]))
        say(
            f"floor: what a perfect model would score on average if the {experts} experts were independent; where "
            f"slices are in the data because somebody marked them, it scores somewhat less"
        )
    if line := _presence(summary):
        say(line)
    if cost is not None:
        say(f"cost: {', '.join(_cost(cost))}")
    say(_EXPLAINED)


def print_comparison(comparison: Mapping[str, Any]) -> None:
    """Print a paired comparison for a person; ``comparison`` as `compare_evaluations` gives it."""
    cases, patients = counted(comparison["cases"], "case"), counted(comparison["patients"], "patient")
    for line in comparison["warnings"]:
        say(f"note: {line}")
    for name in ("a", "b"):
        say(f"{name}: {comparison[name]['segmenter']} ({comparison[name]['file']})")
    say(f"the same {cases} of {patients}, split {comparison['split']!r}")
    for what, (in_a, in_b) in comparison["differs"].items():
        if what not in _TOLD_ALREADY:
            say(f"  {what}: a {_plain(in_a)}, b {_plain(in_b)}")
    interval = "(no interval: one patient)" if comparison["patients"] == 1 else "[95 % interval over patients]"
    for n, variants in comparison["scores"].items():
        for variant, scores in variants.items():
            heading = (f"n = {n}, {variant}", "a", "b", f"b - a {interval}", "")
            rows = (_compared(score, scores[name], comparison) for name, score in _in_order().items() if name in scores)
            _say_table([heading, *filter(None, rows)])
    say("")
    if any(pair["difference"]["undefined"] for _, pair in _pairs(comparison)):
        say("means are over the cases where both are defined; how many are not stands behind the difference")
    say("of twenty intervals one excludes 0 by chance: choose beforehand which score decides")
    say(_EXPLAINED)


def _pairs(comparison: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(score, what was found) for every score of every variant."""
    for variants in comparison["scores"].values():
        for scores in variants.values():
            yield from scores.items()


def _score_rows(n: str, variants: Sequence[str], summary: Mapping[str, Any]) -> Iterator[Row]:
    from training.evaluation.cases import HUMAN

    scores = summary["scores"][n]
    floor, over = ({}, {}) if summary["segmenter"] == HUMAN else (summary["floor"].get(n, {}), summary["over_floor"])
    rs = summary["postprocess"]
    headings = [f"{name} (r = {rs[0]:g})" if name == "postprocessed" else name for name in variants]
    yield (f"n = {n}", *headings, "better")
    for name, score in _in_order().items():
        of_variants = [scores[variant][name] for variant in variants]
        digits = _digits(found["mean"] for found in of_variants)
        yield (f"  {score.label}", *(_interval(found, digits) for found in of_variants), _BETTER[score.better])
        if floor.get(name) is not None and any(found["mean"] is not None for found in of_variants):
            defined = [found["mean"] is not None for found in of_variants]
            yield ("    its floor", *(number(floor[name], 3) if there else "" for there in defined), "")
            above = (over[n][variant][name] for variant in variants)
            yield (
                "    above it",
                *(_interval(a, 3) if there else "" for a, there in zip(above, defined, strict=True)),
                "",
            )


def _compared(score: Score, found: Mapping[str, Any], comparison: Mapping[str, Any]) -> Row | None:
    """None for what the experts alone decide, which is the same in both."""
    difference = found["difference"]
    if difference["mean"] is None:
        return (f"  {score.label}", "", "", "no case where both are defined", "")
    if score.better == "none" and difference["low"] == difference["high"] == 0:
        return None
    digits = _digits((found["a"], found["b"]))
    numbers = (number(found["a"], digits), number(found["b"], digits), _interval(difference, digits))
    return (f"  {score.label}", *numbers, _verdict(score, found, comparison["patients"]))


def _verdict(score: Score, found: Mapping[str, Any], patients: int) -> str:
    from training.evaluation.summary import FEW_PATIENTS, TOO_FEW_PATIENTS

    low, high, verdict = found["difference"]["low"], found["difference"]["high"], found["verdict"]
    if patients < TOO_FEW_PATIENTS:
        return "" if low is None or low <= 0 <= high else "too few patients to say"
    if verdict is None:
        return ""
    uncertain = " (few patients)" * (patients < FEW_PATIENTS)
    if verdict in ("a", "b"):
        return f"{verdict} is {'nearer the experts' if score.better == 'experts' else 'better'}{uncertain}"
    return f"{verdict.removesuffix(' higher')} is higher{uncertain}"


def _in_order() -> Mapping[str, Score]:
    """Every score, in the order in which tables have them."""
    from training.metrics.glossary import SCORES

    return {name: SCORES[name] for name in dict.fromkeys((*_FIRST, *SCORES))}


def _say_table(rows: Iterable[Row]) -> None:
    say("")
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _presence(summary: Mapping[str, Any]) -> str | None:
    """What it is worth that so many masks have a lesion: for the most masks, raw; None where none were drawn."""
    n = max(map(int, summary["scores"]))
    reliability = summary["reliability"].get(str(n), {}).get("raw")
    if reliability is None:
        return None
    some = [(1, n // 2), (n // 2 + 1, n - 1)] if n > 2 else [(1, n - 1)]
    parts: list[str] = []
    for low, high in [(0, 0), *some, (n, n)]:
        found = [row for row in reliability["presence"][low : high + 1] if row["cases"]]
        if cases := sum(row["cases"] for row in found):
            share = sum(row["cases"] * row["experts"] for row in found) / cases
            masks = str(low) if low == high else f"{low}-{high}"
            show, see = (" show a lesion", " of the experts see one") if not parts else ("", "")
            parts.append(f"{masks}{show} ({counted(cases, 'case')}): {100 * share:.0f} %{see}")
    return f"presence, {counted(n, 'raw mask')}: {'; '.join(parts)}"


def _cost(cost: Mapping[str, Any]) -> Iterator[str]:
    yield counted(cost["network_calls"], "network call") + " a mask"
    yield f"{cost['seconds_per_image']:.3g} s an image ({cost['seconds']:,.0f} s in all)"
    if cost["peak_memory_mib"] is not None:
        yield f"{cost['peak_memory_mib']:,.0f} MiB at most"
    many = cost["processes"] != 1
    yield f"{cost['processes']} process{'es' * many} on {cost['device_name'] or cost['device']}"


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_plain, value)) or "none"
    text = str(value)
    if _HASH.fullmatch(text):
        return text[:_DIGITS_OF_A_HASH] + "+" * text.endswith("+")
    return text


def _digits(means: Iterable[float | None]) -> int:
    """Digits after the point that a row of means needs, the largest of them as its measure."""
    largest = max((abs(mean) for mean in means if mean is not None), default=0.0)
    return 1 if largest >= 10 else 3 if largest >= 0.03 or largest == 0 else 4


def _interval(score: Mapping[str, float | None], digits: int) -> str:
    text = number(score["mean"], digits)
    if score["low"] is not None:
        text += f" [{number(score['low'], digits)}, {number(score['high'], digits)}]"
    if score["undefined"] and score["mean"] is not None:
        text += f" ({score['undefined']:,} undefined)"
    return text
