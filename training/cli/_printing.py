"""What commands print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any


def say(line: str) -> None:
    print(line)  # noqa: T201


def note(line: str) -> None:
    """Something that the user should know beside the result."""
    print(f"note: {line}", file=sys.stderr)  # noqa: T201


def number(value: float | None, digits: int = 3) -> str:
    """A number of a score; None is undefined."""
    return "undefined" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no "-0.000"


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
            is_count = isinstance(value, int) and not isinstance(value, bool) and not name.endswith("seed")
            say(f"{indent}{name}: {value:,}" if is_count else f"{indent}{name}: {value}")


def print_conversion(made: Mapping[str, Any], file: Mapping[str, Any]) -> None:
    """What a conversion did, and what is in its file, for a person."""
    from training.data.prepare import remarks

    say(f"{made['out']}: {_slices(made)}, from {made['source']}")
    split = made["split"]
    seed = "" if split["seed"] is None else f", seed {split['seed']}"
    say(f"layout {made['layout']}; split by the rule {split['rule']!r}{seed}")
    if kept := split["patients_kept_together"]:
        say(f"  kept in one split, though the rule itself has their studies in two: {', '.join(kept)}")
    if names := file["attributes"].get("expert_names"):
        say(f"experts: {names}")
    for line in remarks(made):
        say(line)
    for name, facts in file["splits"].items():
        height, width = facts["size"]
        say(f"{name}: {_slices(facts)}, {height} x {width} pixels")
        say(f"  seen by {_shares(facts['seen_by'].items(), facts['slices'])} of {file['experts']} experts")
        say(f"  empty masks by slot {_shares(enumerate(facts['empty_by_slot'], 1), 1)}")
        say(f"  pixel spacing {facts['pixel_spacing']}")
        if facts["disagreement"] is not None:
            say(
                f"  two experts: mean 1 - IoU {facts['disagreement']:.3f}, dice {facts['dice']:.3f}; "
                f"with self-pairs {facts['disagreement_with_self']:.3f} and {facts['dice_with_self']:.3f}"
            )
        empty = facts["always_empty"]
        say(f"  always-empty: GED {empty['ged_v']:.3f}, dice {empty['dice']:.3f}")
    say(f"sha256 {file['sha256']}")


def _slices(facts: Mapping[str, Any]) -> str:
    return f"{counted(facts['slices'], 'slice')} of {counted(facts['patients'], 'patient')}"


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _shares(counts: Iterable[tuple[object, float]], total: float) -> str:
    return ", ".join(f"{name}: {100 * count / total:.1f} %" for name, count in counts)


def way_of_drawing(provenance: Mapping[str, Any]) -> str | None:
    """How masks were drawn, in one line; None for a reference, which takes no steps."""
    if "sampler" not in provenance:
        return None
    eta, guidance = provenance.get("eta", 0), provenance.get("guidance", 1)
    parts = [
        provenance["sampler"] + (f" with eta {eta:g}" if eta else ""),
        f"{counted(provenance['steps'], 'step')} ({provenance['grid']})",
        *([f"guidance {guidance:g}"] if guidance != 1 else []),
        counted(provenance["network_calls"], "network call"),
        provenance["precision"],
        provenance["device"],
    ]
    return ", ".join(parts)
