"""The command line of the check; in the standard library's words, so that it runs where little else is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.atomic import write_bytes, writing
from training.errors import AmbisegError
from training.gpu_check.check import MINUTES, run_check
from training.gpu_check.page import measured_parts, page
from training.gpu_check.parts import PARTS, missing_packages
from training.gpu_check.record import Record
from training.gpu_check.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "results-gpu.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; the exit code is 0 if all that ran is right, 1 if not, 2 on a user's mistake."""
    wish = _parser().parse_args(arguments)
    settings = Settings(wish.device, wish.smoke, None if wish.data is None else str(wish.data), wish.peak_tflops)
    try:
        for line in missing_packages():
            _say(line)
        records = run_check(
            settings,
            wish.out,
            names=wish.part,
            minutes=wish.minutes,
            part_minutes=wish.part_minutes,
            again=wish.again,
            commit=wish.commit,
            tell=_say,
        )
        where = wish.page or (PAGE if is_worth_publishing(records, settings) else wish.out / PAGE.name)
        if where == PAGE and (lost := lost_parts(records, PAGE.read_text(encoding="utf-8"))):
            where = wish.out / PAGE.name
            _say(f"{PAGE} is left as it is: it has numbers of {', '.join(lost)}, which were not measured here")
        with writing(where):
            before = where.read_text(encoding="utf-8") if where.is_file() else ""
            write_bytes(where, page(records, settings, before).encode())
    except AmbisegError as error:
        print(f"gpu-check: {error}", file=sys.stderr)  # noqa: T201
        return 2
    _say(f"written: {where}")
    return 0 if all(record.is_right for record in records if record.status != "not asked") else 1


def is_worth_publishing(records: Sequence[Record], settings: Settings) -> bool:
    """Whether these numbers belong on the project's own page: of a GPU, at full size, from a checkout."""
    outcome = records[0].outcome
    return not settings.is_smoke and outcome is not None and outcome["settings"]["cuda"] is not None and PAGE.is_file()


def lost_parts(records: Sequence[Record], told: str) -> list[str]:
    """The parts whose numbers a page has and these records have not: they would be lost with it."""
    done = {record.part for record in records if record.status == "done"}
    had = measured_parts(told)
    return [part.name for part in PARTS if part.name in had - done]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu-check",
        description="Prove and measure what was promised of a GPU, part by part; started again, it goes on.",
    )
    add = parser.add_argument
    add(
        "out",
        type=Path,
        metavar="OUT",
        help="folder for what each part finds; what is done there is not repeated",
    )
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    add("--smoke", action="store_true", help="tiny sizes: proves the command, measures nothing")
    add(
        "--part",
        action="append",
        default=[],
        metavar="NAME",
        help=f"one part; give it again for more: {', '.join(part.name for part in PARTS)}",
    )
    add("--minutes", type=float, default=MINUTES, help="for all parts together (%(default)s)")
    add("--part-minutes", type=float, help="for each part at most; each has its own limit if left out")
    add("--data", type=Path, help="file of annotated slices whose val split is evaluated; phantoms if left out")
    add("--peak-tflops", type=float, help="the device's peak in bfloat16, to print the share of it")
    add("--again", action="store_true", help="repeat parts that are done")
    add("--commit", help="of this program, where it does not lie in a checkout")
    add("--page", type=Path, help=f"the page to write; {PAGE.parent.name}/{PAGE.name} for a GPU, else in OUT")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
