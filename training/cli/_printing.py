"""What commands print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def say(line: str) -> None:
    print(line)  # noqa: T201


def print_facts(facts: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        say(json.dumps(facts, indent=2))
    else:
        _print_tree(facts, "")


def _print_tree(facts: Mapping[str, object], indent: str) -> None:
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            say(f"{indent}{name}:")
            _print_tree(value, indent + "  ")
        else:
            say(f"{indent}{name}: {value:,}" if isinstance(value, int) else f"{indent}{name}: {value}")


def print_scores(summary: Mapping[str, Any]) -> None:
    say(
        f"{summary['segmenter']}: {summary['cases']} cases of {summary['patients']} patients; "
        "mean [95 % interval over patients]"
    )
    for n, variants in summary["scores"].items():
        for variant, scores in variants.items():
            say(f"n = {n}, {variant}")
            for name, score in scores.items():
                say(f"  {name:18} {_interval(score)}")


def _interval(score: Mapping[str, float | None]) -> str:
    if score["mean"] is None:
        return "undefined"
    text = f"{score['mean']:.3f}"
    if score["low"] is not None:
        text += f" [{score['low']:.3f}, {score['high']:.3f}]"
    if score["undefined"]:
        text += f"  ({score['undefined']} cases undefined)"
    return text
