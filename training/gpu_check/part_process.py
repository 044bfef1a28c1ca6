"""The process of one part: measures, answers as JSON, and may fail, hang or lose its device."""

from __future__ import annotations

import json

from training.errors import AmbisegError
from training.gpu_check.settings import Settings
from training.parent import answer_parent, report_bug


def answer(request: bytes) -> bytes:
    """What a part found, or the one line on why it found nothing; an error of ours goes to standard error as well."""
    wish = json.loads(request)
    try:
        from training.gpu_check.measuring import measure

        outcome = measure(wish["part"], Settings.from_json(wish["settings"]))
        return json.dumps({"outcome": outcome.facts()}).encode()
    except AmbisegError as error:
        return json.dumps({"error": str(error)}).encode()
    except Exception as error:
        return json.dumps({"error": report_bug(error)}).encode()


def main() -> None:
    """Answer one question of the parent."""
    with answer_parent() as connection:
        connection.send_bytes(answer(connection.recv_bytes()))


if __name__ == "__main__":
    main()
