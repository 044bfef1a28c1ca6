"""Commands about annotated slices: make synthetic ones, convert, describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.cli._app import app
from training.cli._arguments import AsJson, CropSeed, Seed, require_crop
from training.cli._files import require_output
from training.cli._printing import print_conversion, print_facts, say
from training.errors import DataFormatError

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
def prepare(
    source: Annotated[Path, typer.Argument(help="A file or folder of annotated slices, in any of the known layouts.")],
    out: Annotated[Path, typer.Argument(help="The HDF5 file to write.")],
    layout: Annotated[str, typer.Option(help="What the source is; auto finds out, docs/data.md lists all.")] = "auto",
    split: Annotated[
        str,
        typer.Option(help="How patients are divided: source, paper, study, patient; auto takes the first possible."),
    ] = "auto",
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Of the splits study and patient; 1234 if left out.")
    ] = None,
    window: Annotated[
        str,
        typer.Option(help="What becomes black and white: auto, lung, wide, slice, or values such as -1000..400."),
    ] = "auto",
    size: Annotated[int | None, typer.Option(help="Cut slices to this many pixels around their centre.")] = None,
    random_crop: Annotated[int | None, typer.Option(help="Then cut this many pixels at a random place.")] = None,
    crop_seed: CropSeed = 0,
    keep_empty: Annotated[bool, typer.Option("--keep-empty", help="Keep slices on which nobody drew.")] = False,
    shift_masks: Annotated[
        bool, typer.Option("--shift-masks", help="Move masks by (-1, -1) pixels, as in the published LIDC pickle.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Convert annotated slices of any layout to a checked HDF5 file, and tell what was left out and why."""
    from tqdm import tqdm

    from training.data.conversion import Conversion, Failed, Prepared
    from training.data.forms.interface import Options
    from training.data.opening import open_dataset
    from training.data.prepare import Plan, Progress
    from training.data.splits import DEFAULT_SEED
    from training.report.facts import describe_dataset

    require_output(out, source)
    require_crop(crop_seed, random_crop)
    options = Options(
        window=window,
        shift_masks=shift_masks,
        size=size,
        keep_empty=keep_empty,
        random_crop=random_crop,
        crop_seed=crop_seed,
    )
    plan = Plan(layout, split, DEFAULT_SEED if seed is None else seed, options)
    made: Mapping[str, Any] = {}
    with Conversion(source, out, plan) as conversion, tqdm(unit="slice", disable=None) as bar:
        for event in conversion.events():
            if isinstance(event, Progress):
                bar.total = event.total
                bar.update(event.done - bar.n)
            elif isinstance(event, Failed):
                raise DataFormatError(event.text)
            elif isinstance(event, Prepared):
                made = event.facts
    with open_dataset(out) as dataset:  # our own file, a moment old
        file = describe_dataset(dataset)
    if as_json:
        print_facts({"made": made, "file": file}, as_json=True)
    else:
        print_conversion(made, file)
        if seed is not None and made["split"]["seed"] is None:
            say(f"--seed was not needed: the split {made['split']['rule']!r} is not drawn")


@app.command()
def info(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_MODEL",
            help="A data file, a model, a preset, or a .toml file of settings. Where a model and a preset share a "
            "name, as demo, it is the model.",
        ),
    ],
    preset: Annotated[
        bool, typer.Option("--preset", help="Take it for a preset or a .toml file: every setting, with its value.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a data set, a model or a preset."""
    from training.report.facts import describe

    print_facts(describe(what, preset), as_json)
