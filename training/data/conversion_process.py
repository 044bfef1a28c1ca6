"""The process that converts a source, and may die of it.

Started by `training.data.conversion` as ``python -m training.data.conversion_process``.  One JSON object comes in, the
work order; JSON objects go out, the last of which says how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from training.child import BLAME
from training.data.forms.interface import Options
from training.data.prepare import Plan, Progress, Report, prepare
from training.errors import AmbisegError
from training.parent import answer_parent, limit_memory, report_bug

INTERVAL = 0.05  # seconds between two progress messages
GRACE = 1.0  # seconds to remove the unfinished file after the parent's end

Convert = Callable[[Path, Path, Plan, Callable[[Progress], None]], Report]


class _Reporter:
    """Passes progress on, some twenty times a second at most."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._due = 0.0

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() >= self._due or progress.done == progress.total:
            self._due = time.monotonic() + INTERVAL
            self.send(event="progress", done=progress.done, total=progress.total)

    def send(self, **facts: object) -> None:
        self._connection.send_bytes(json.dumps(facts).encode())


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """On SIGTERM: unwind, so that the unfinished file is removed on the way."""
    sys.exit(1)


def _work(order: Mapping[str, Any], reporter: _Reporter, convert: Convert) -> dict[str, object]:
    """Do what the order says; the last message."""
    source = order["source"]
    try:
        os.chdir(order["folder"])  # a relative path means there what it means in the parent, in messages too
        plan = Plan(**{**order["plan"], "options": Options(**order["plan"]["options"])})
        report = convert(Path(source), Path(order["out"]), plan, reporter)
    except AmbisegError as error:
        return {"event": "failed", "text": str(error)}
    except MemoryError:
        gib = order["memory"] / 2**30
        text = f"{source}: cannot be converted: it takes more than {gib:.0f} GiB of memory; {BLAME}"
        return {"event": "failed", "text": text}
    except Exception as error:  # a bug of ours
        return {"event": "failed", "text": f"{source}: cannot be converted: {report_bug(error)}"}
    return {"event": "prepared", "facts": dict(report.facts)}


def main(convert: Convert = prepare) -> None:
    """Convert what the process that started this one asks for."""
    signal.signal(signal.SIGTERM, _stop)
    with answer_parent(GRACE) as connection:
        order = json.loads(connection.recv_bytes())
        limit_memory(order["memory"])
        reporter = _Reporter(connection)
        reporter.send(event="started", pid=os.getpid())  # the unfinished file's name holds it
        end = _work(order, reporter, convert)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left to be removed
        reporter.send(**end)
        connection.poll(None)  # until the parent hangs up: it has read everything then


if __name__ == "__main__":
    main()
