"""The process that counts what a source holds, and may die of it.

Started by `training.data.counting` as ``python -m training.data.counting_process``.  One JSON object comes in, the
question, and one goes out, the answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.child import BLAME
from training.data.forms.interface import Form
from training.data.forms.sniffing import open_form
from training.errors import AmbisegError
from training.parent import answer_parent, limit_memory, report_bug

Open = Callable[[Path, str], Form]


def _count(question: Mapping[str, Any], open_source: Open) -> dict[str, object]:
    source = question["source"]
    try:
        form = open_source(Path(source), question["layout"])
        return {"slices": len(form), "patients": len({unit.patient for unit in form.units()})}
    except AmbisegError as error:
        return {"text": str(error)}
    except MemoryError:
        gib = question["memory"] / 2**30
        return {"text": f"{source}: cannot be counted: it takes more than {gib:.0f} GiB of memory; {BLAME}"}
    except Exception as error:  # a bug of ours
        return {"text": f"{source}: cannot be counted: {report_bug(error)}"}


def main(open_source: Open = open_form) -> None:
    """Answer the one question of the process that started this one."""
    with answer_parent() as connection:
        question = json.loads(connection.recv_bytes())
        limit_memory(question["memory"])
        connection.send_bytes(json.dumps(_count(question, open_source)).encode())
        connection.poll(None)  # until the parent hangs up; ended earlier, this would look like a crash


if __name__ == "__main__":
    main()
