"""The command that holds two evaluations against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from training.cli._app import app
from training.cli._arguments import AsJson
from training.cli._files import require_output, write_json
from training.cli._printing import say


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A.json", help="What `ambiseg evaluate --out` wrote for one model.")],
    b: Annotated[Path, typer.Argument(metavar="B.json", help="The same for the other, on the same cases.")],
    as_json: AsJson = False,
    out: Annotated[Path | None, typer.Option(help="Write the comparison to this JSON file.")] = None,
) -> None:
    """Say which of two evaluated models is better, case by case on the same cases, with intervals over patients."""
    from training.cli._scores import print_comparison
    from training.evaluation.comparison import compare_evaluations

    if out is not None:
        require_output(out, a, b)
    comparison = compare_evaluations(a, b)
    if as_json:
        say(json.dumps(comparison, indent=2, allow_nan=False))
    else:
        print_comparison(comparison)
    if out is not None:
        write_json(out, comparison)
