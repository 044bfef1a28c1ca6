"""Commands about annotated slices: make synthetic ones, convert, describe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli._app import app
from training.cli._arguments import AsJson, Seed
from training.cli._files import require_output
from training.cli._printing import print_facts, say

if TYPE_CHECKING:
    from training.records import AnnotatedSlice


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="The HDF5 file to write.")],
    cases: Annotated[int, typer.Option(min=1, help="How many slices.")] = 500,
    size: Annotated[int, typer.Option(help="Pixels per side, a multiple of 8.")] = 128,
    seed: Seed = 0,
) -> None:
    """Make synthetic annotated slices, split 60/20/20 by patient, whose experts' distribution is known."""
    from tqdm import tqdm

    from training.data.hdf5 import write_dataset
    from training.data.phantom import phantom_splits

    require_output(out)
    with tqdm(total=cases, unit="slice", disable=None) as bar:

        def counted(slices: Iterator[AnnotatedSlice]) -> Iterator[AnnotatedSlice]:
            for case in slices:
                bar.update()
                yield case

        splits = {name: counted(slices) for name, slices in phantom_splits(cases, seed, size).items()}
        write_dataset(
            out,
            splits,
            {"source": f"ambiseg phantom --cases {cases} --size {size} --seed {seed}"},
            image_type="uint8",
        )
    say(f"{out}: {cases} slices")


@app.command()
def info(
    what: Annotated[str, typer.Argument(metavar="FILE_OR_MODEL", help="A data file, a model or a preset.")],
    as_json: AsJson = False,
) -> None:
    """Describe a data set, a model or a preset."""
    from training.report.facts import describe

    print_facts(describe(what), as_json)
