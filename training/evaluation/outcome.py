"""The files of an evaluation: found finished, or written from what is journaled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.atomic import write_bytes
from training.evaluation.case_table import CaseTable
from training.evaluation.files import Files, is_cost, read_json
from training.evaluation.journal import Journals, reading, writing
from training.evaluation.request import Request, difference, fingerprint, without_program
from training.evaluation.summary import Summary
from training.hashing import file_sha256

# What a summary says last.
_SEAL = "sha256"


def find_finished(
    files: Files, request: Request, tell: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
    """Summary and cost of this very evaluation, where they are there and are what was written.

    A cost that is not what is written about one is None.  What was changed is told, and counts as not there.
    """
    if not files.summary.exists():
        return None
    summary = _sealed(files.summary)
    if summary is None:
        tell(f"{files.summary} is not what was written; its cases are scored again")
        return None
    then, now = fingerprint(summary), request.fingerprint()
    if difference(without_program(then), without_program(now)) is not None:
        return None
    table = {"file": files.table.name, "sha256": _sha256(files.table) if files.table.is_file() else None}
    if summary.get("case_table") != table:
        tell(f"{files.table} is not the table that was written; its cases are scored again")
        return None
    tell(f"{files.summary} has this evaluation already")
    if differs := difference(then, now):
        tell(f"another version made it, {differs}; remove it to score again")
    return summary, _cost(files.cost)


def publish(
    files: Files,
    request: Request,
    summary: Summary,
    journals: Journals,
    cost: dict[str, Any],
    *,
    keep: bool,
) -> dict[str, Any]:
    """Merge the journals, in the order of the split, and take them away.

    Parameters
    ----------
    files : where the table, the cost and the summary are written, the summary last
    request : what was evaluated
    summary : to which no case was added yet
    journals : in which nothing is missing
    cost : plain JSON values
    keep : whether the files stay, and the summary may name the table

    Returns
    -------
    The summary, plain JSON values

    Raises
    ------
    ConfigError
        If something cannot be written or read.
    """
    with writing(files.summary.parent):
        with CaseTable(files.table, request.plan) as table:
            for case in journals:
                summary.add(case)
                table.add(case)
        link = {"file": files.table.name, "sha256": _sha256(files.table)} if keep else None
        content = sealed(request.heading() | summary.as_json() | {"case_table": link})
        write_bytes(files.cost, json.dumps(cost, indent=2).encode())
        write_bytes(files.summary, json.dumps(content, indent=2, allow_nan=False).encode())
        files.remove_parts()
    return content


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A summary with the SHA-256 of all that it says, by which one that was edited is known."""
    rest = {name: value for name, value in content.items() if name != _SEAL}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return rest | {_SEAL: hashlib.sha256(text.encode()).hexdigest()}


def _sealed(path: Path) -> dict[str, Any] | None:
    """A summary; None if it is not what was written."""
    try:
        found = read_json(path)
        return found if isinstance(found, dict) and sealed(found) == found else None
    except (OSError, ValueError, RecursionError):
        return None


def _cost(path: Path) -> dict[str, Any] | None:
    try:
        found = read_json(path)
    except (OSError, ValueError, RecursionError):
        return None
    return found if is_cost(found) else None


def _sha256(path: Path) -> str:
    with reading(path):
        return file_sha256(path)
