"""The command that makes tables, figures and the page of a folder of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli._app import app
from training.cli._arguments import Device
from training.cli._printing import say


@app.command()
def report(
    out_dir: Annotated[Path, typer.Argument(help="What `ambiseg ablate` and `ambiseg evaluate --out` wrote to.")],
    into: Annotated[Path | None, typer.Option(help="Where the report goes; OUT_DIR/report if left out.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data file, if it is no longer where the evaluation found it.")
    ] = None,
    device: Device = "auto",
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Whether cases are drawn again to be shown.")
    ] = True,
) -> None:
    """Make the paper's tables and figures from results, beside the printed values, and one page to read."""
    from training.report.report import write_report

    made = write_report(out_dir, into, data=data, device=device, pictures=pictures)
    for item in made.items:
        say(f"{item.state:7}  {item.title}" + (f": {item.detail}" if item.detail else ""))
    say(f"{made.page}")
