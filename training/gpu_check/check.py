"""The check: part by part, each in a process of its own and bounded in time.  Torch-free."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from training.atomic import writing
from training.child import Child, ChildEndedError, python_module
from training.errors import ConfigError, DeviceError
from training.gpu_check.parts import PARTS, Part, chosen
from training.gpu_check.record import Record, kept, key_of
from training.gpu_check.settings import Settings
from training.machine import git_commit

MINUTES = 9.0
#: Measures a part within so many seconds, and gives its answer as JSON values; raises `ChildEndedError`.
Runner = Callable[[Part, Settings, float], Mapping[str, Any]]

_ROOT = Path(__file__).parents[2]
_COMMAND = python_module("training.gpu_check.part_process")
_LEAST = 5.0  # seconds in which no part can be of use


def in_child(part: Part, settings: Settings, seconds: float) -> Mapping[str, Any]:
    """The answer of a process of its own.

    Raises
    ------
    ChildEndedError
        If it ended without an answer, or was ended because it took longer.
    DeviceError
        If no process can be started.
    """
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]  # the program need not be installed
    environment = {"PYTHONPATH": os.pathsep.join(paths)}
    child = Child(_COMMAND, "the part's process", environment)
    try:
        until = monotonic() + seconds
        connection = child.connect(seconds)
        request = json.dumps({"part": part.name, "settings": settings.to_json()}).encode()
        with child.within(max(until - monotonic(), 0.1)):
            connection.send_bytes(request)
            answer: Mapping[str, Any] = json.loads(connection.recv_bytes())
            return answer
    finally:
        child.end()


def run_check(
    settings: Settings,
    out: Path,
    *,
    names: Sequence[str] = (),
    minutes: float = MINUTES,
    part_minutes: float | None = None,
    again: bool = False,
    commit: str | None = None,
    runner: Runner = in_child,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Record]:
    """Measure what is missing, and keep it.

    Parameters
    ----------
    settings : what decides the numbers
    out : folder of the records
    names : of the parts; none is all
    minutes : in all; what does not fit is left for the next time
    part_minutes : that each part gets at most; None takes its own
    again : measure parts anew that are done
    commit : of this program, where it is no checkout
    runner : measures one part
    tell : gets a line for each part

    Returns
    -------
    One record for each of `PARTS`, in their order

    Raises
    ------
    ConfigError
        On an unknown part, no time, or a folder that cannot be written.
    """
    if not minutes > 0 or (part_minutes is not None and not part_minutes > 0):
        raise ConfigError(f"a check needs some time, got {minutes:g} minutes in all and {part_minutes} for each part")
    asked = {part.name for part in chosen(names)}
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    end = monotonic() + 60 * minutes
    commit = git_commit() or commit
    records: list[Record] = []
    key = ""
    for part in PARTS:
        is_first = part is PARTS[0]
        record = None if again or is_first else kept(out, part.name, key)
        if record is not None:
            tell(f"{part.name}: done before")
        elif part.name not in asked:
            record = Record(part.name, "not asked")
        elif not is_first and not key:
            record = Record(part.name, "failed", "nothing is known of the machine, so nothing is measured")
        else:
            own = 60 * (part.minutes if part_minutes is None else part_minutes)
            tell(f"{part.name} ...")
            record = _measured(part, settings, min(own, end - monotonic()), runner)
            record = replace(record, key=key, commit=commit, day=datetime.now(UTC).date().isoformat())
            if is_first and record.outcome is not None:
                key = key_of(settings.to_json(), record.outcome["settings"])
            record.save(out)
            tell(f"{part.name}: {record.status} in {record.seconds:.0f} s{': ' * bool(record.reason)}{record.reason}")
            for finding in record.findings:
                tell(f"  {finding.line()}")
            for gate in record.failed_gates:
                tell(f"  {gate} -- FAILS")
        records.append(record)
    return records


def _measured(part: Part, settings: Settings, seconds: float, runner: Runner) -> Record:
    if part.missing:
        packages = " ".join(part.missing)
        return Record(part.name, "missing", f"{packages} not installed (pip install {packages})")
    if seconds < _LEAST:
        return Record(part.name, "no time", "the minutes were used up; run the same command again, it goes on here")
    began = monotonic()
    try:
        answer = runner(part, settings, seconds)
    except ChildEndedError as error:
        reason = f"its process {error}"
        return Record(part.name, "hung" if error.silent else "failed", reason, monotonic() - began)
    except DeviceError as error:
        return Record(part.name, "failed", str(error), monotonic() - began)
    took = monotonic() - began
    if "error" in answer:
        return Record(part.name, "failed", str(answer["error"]), took)
    return Record(part.name, "done", "", took, outcome=answer["outcome"])
