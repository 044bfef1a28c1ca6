"""The files of an evaluation: found finished, or written from what is journaled."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.atomic import write_bytes
from training.evaluation.case_table import CaseTable
from training.evaluation.journal import Journals, reading, writing
from training.evaluation.request import Request, difference, fingerprint, without_program
from training.evaluation.summary import Summary


class Files:
    """Where an evaluation lies.

    Parameters
    ----------
    summary : the JSON file that was asked for, whose name ends in ".json"

    Attributes
    ----------
    table : the scores of each case
    cost : what the evaluation took, which is no part of its result
    parts : the folder of the journals, while it goes on
    """

    def __init__(self, summary: Path) -> None:
        self.summary = summary
        self.table, self.cost, self.parts = (summary.with_suffix(end) for end in (".csv", ".cost.json", ".parts"))


def find_finished(
    files: Files, request: Request, tell: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
    """Summary and cost of this very evaluation, where they are there and the table is what was written."""
    summary = _read(files.summary)
    if summary is None:
        return None
    then, now = fingerprint(summary), request.fingerprint()
    if difference(without_program(then), without_program(now)) is not None:
        return None
    table = summary.get("case_table")
    if not isinstance(table, dict) or not files.table.is_file() or table.get("sha256") != _sha256(files.table):
        return None
    tell(f"{files.summary} has this evaluation already")
    if differs := difference(then, now):
        tell(f"another version made it, {differs}; remove it to score again")
    return summary, _read(files.cost)


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
        content = request.heading() | summary.as_json() | {"case_table": link}
        write_bytes(files.cost, json.dumps(cost, indent=2).encode())
        write_bytes(files.summary, json.dumps(content, indent=2, allow_nan=False).encode())
        for path in files.parts.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.name.startswith("."):  # the lock, which is still held
                path.unlink()
    return content


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _sha256(path: Path) -> str:
    with reading(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
