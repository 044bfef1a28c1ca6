"""Commands about masks: draw them, score them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli._app import app
from training.cli._arguments import (
    CropSeed,
    Data,
    Device,
    Eta,
    Grid,
    Guidance,
    Precision,
    RandomCrop,
    Sampler,
    Seed,
    Segmenter,
    Split,
    Steps,
    require_crop,
)
from training.cli._files import require_output, write_json
from training.cli._printing import print_scores, say, way_of_drawing
from training.errors import ConfigError

if TYPE_CHECKING:
    from training.records import AnnotatedSlice


@app.command()
def sample(
    model: Segmenter,
    data: Data,
    out: Annotated[Path, typer.Argument(help="The HDF5 file to write.")],
    split: Split = "val",
    index: Annotated[int, typer.Option(min=0, help="Which slice of the split.")] = 0,
    samples: Annotated[int, typer.Option(min=1, help="How many masks to draw.")] = 16,
    steps: Steps = None,
    sampler: Sampler = None,
    grid: Grid = None,
    eta: Eta = None,
    guidance: Guidance = None,
    precision: Precision = "auto",
    seed: Seed = 0,
    random_crop: RandomCrop = None,
    crop_seed: CropSeed = 0,
    device: Device = "auto",
    trajectory: Annotated[bool, typer.Option("--trajectory", help="Keep every step too.")] = False,
) -> None:
    """Draw masks for one slice and write them to a file."""
    from training.build import load_segmenter
    from training.data import crops
    from training.data.opening import open_dataset
    from training.export import write_samples
    from training.records import SampleSet, Trajectory
    from training.segmenters.interface import StepwiseSampler

    require_crop(crop_seed, random_crop)
    require_output(out, data, Path(model))
    with open_dataset(data) as dataset:
        dataset.verify()
        case = dataset.case(split, index)
    if random_crop is not None:
        case = crops.random_crop(case, random_crop, crop_seed)
    segmenter = load_segmenter(
        model, device, sampler=sampler, steps=steps, grid=grid, eta=eta, guidance=guidance, precision=precision
    ).given(case)
    _note_another_size(model, case)
    seen = None
    if trajectory:
        if not isinstance(segmenter, StepwiseSampler):
            raise ConfigError(f"{model!r} draws in one pass and has no trajectory; leave out --trajectory")
        walked = list(segmenter.walk(case.image, samples, seed))
        drawn, seen = SampleSet(walked[-1].masks, seed, segmenter.provenance), Trajectory.of(walked)
    else:
        drawn = segmenter.draw(case.image, samples, seed)
    write_samples(out, case, drawn, seen)
    empty = int((~drawn.masks.any(axis=(1, 2))).sum())
    say(
        f"{out}: {samples} masks for {case.key}, {empty} of them empty; "
        f"{case.n_found} of {case.n_experts} experts drew one"
    )
    if way := way_of_drawing(segmenter.provenance):
        say(way)


@app.command()
def evaluate(
    model: Segmenter,
    data: Data,
    split: Split = "val",
    samples: Annotated[str, typer.Option(help="Numbers of masks to score, separated by commas.")] = "4,16",
    steps: Steps = None,
    sampler: Sampler = None,
    grid: Grid = None,
    eta: Eta = None,
    guidance: Guidance = None,
    precision: Precision = "auto",
    postprocess: Annotated[float, typer.Option(min=0, max=1, help="r of the relative-area post-processing.")] = 0.5,
    seed: Seed = 0,
    cases: Annotated[int | None, typer.Option(min=1, help="Score the first so many slices only.")] = None,
    random_crop: RandomCrop = None,
    crop_seed: CropSeed = 0,
    device: Device = "auto",
    out: Annotated[Path | None, typer.Option(help="Write the scores to this JSON file.")] = None,
) -> None:
    """Score a model against the experts: GED, dice, IoU, diversity, empty masks, with intervals over patients."""
    from itertools import islice

    from tqdm import tqdm

    from training.build import load_segmenter
    from training.data.crops import Cropped
    from training.data.opening import open_dataset
    from training.evaluation.evaluate import Evaluation, evaluate_cases

    require_crop(crop_seed, random_crop)
    counts = _counts(samples)
    if out is not None:
        require_output(out, data, Path(model))
    segmenter = load_segmenter(
        model, device, sampler=sampler, steps=steps, grid=grid, eta=eta, guidance=guidance, precision=precision
    )
    with open_dataset(data) as dataset:
        slices = dataset.split(split)
        dataset.verify()  # single slices are read unchecked, and scores of damaged ones would look like any
        if random_crop is not None:
            slices = Cropped(slices, random_crop, crop_seed)
        _note_another_size(model, slices[0])
        total = min(len(slices), cases or sys.maxsize)
        chosen = islice(slices, total)
        rows = tqdm(
            evaluate_cases(segmenter, chosen, counts, seed, postprocess),
            total=total,
            unit="case",
            disable=None,
        )
        evaluation = Evaluation(segmenter.name, seed, postprocess, tuple(rows))
        facts = {
            "data": str(data),
            "data_sha256": dataset.sha256(),
            "split": split,
            "crop": None if random_crop is None else {"size": random_crop, "seed": crop_seed},
            "sampling": dict(segmenter.provenance),
        }
    summary = facts | evaluation.summary()
    print_scores(summary)
    if out is not None:
        write_json(out, summary)


def _note_another_size(model: str, case: AnnotatedSlice) -> None:
    """Tell where a model sees slices of another size than it was trained on."""
    from training.build import REFERENCES
    from training.model_card import find_weights, read_card

    if model in REFERENCES:
        return
    side = read_card(find_weights(model).with_suffix(".json")).image_size
    height, width = case.image.shape
    if (height, width) == (side, side):
        return
    remedy = f"; --random-crop {side} shows it what it was trained on" if min(height, width) >= side else ""
    typer.echo(
        f"note: {model} was trained on {side} x {side} pixels, the slices have {height} x {width}{remedy}", err=True
    )


def _counts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"cannot read the numbers of masks {text!r}; write them as 4,16") from None
