"""The command that draws masks for one slice."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.cli._app import app
from training.cli._arguments import (
    AsJson,
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
from training.cli._files import require_output
from training.cli._printing import note, number, say, way_of_drawing
from training.errors import ConfigError
from training.sampling_wish import SamplingWish

if TYPE_CHECKING:
    from training.export.case_scores import CaseScores


@app.command()
def sample(
    model: Segmenter,
    data: Data,
    out: Annotated[Path, typer.Argument(help="The file to write: .hdf5, .npz, .nii.gz or .dcm, as its name ends.")],
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
    field: Annotated[
        str | None,
        typer.Option(metavar="TOP,LEFT,SIZE", help="Look at this square only; or TOP,LEFT,HEIGHT,WIDTH. Pixels."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="A pixel is lesion where the predicted clean mask, from -1 to 1, is above this.")
    ] = 0.0,
    fill_holes: Annotated[bool, typer.Option("--fill-holes", help="Then fill what a mask encloses.")] = False,
    smallest_object: Annotated[
        int, typer.Option(metavar="PIXELS", help="Then remove connected objects of fewer pixels.")
    ] = 0,
    postprocess: Annotated[
        float, typer.Option(metavar="R", help="Then empty masks smaller than R times the largest, R from 0 to 1.")
    ] = 0.0,
    device: Device = "auto",
    trajectory: Annotated[bool, typer.Option("--trajectory", help="Keep every step too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw masks for one slice, write them to a file, and score them against the experts.

    With --threshold, --fill-holes, --smallest-object or --postprocess the file has the cleaned masks beside those that
    were drawn.
    """
    from training.build import load_segmenter
    from training.data import crops
    from training.data.field import Field
    from training.data.opening import open_dataset
    from training.evaluation.run import another_size
    from training.export import find_form, write_samples
    from training.export.case_scores import CaseScores
    from training.postprocess import Cleaning
    from training.records import SampleSet, Trajectory
    from training.segmenters.interface import StepwiseSampler

    require_crop(crop_seed, random_crop)
    if field is not None and random_crop is not None:
        raise ConfigError("--field and --random-crop both say where to look; leave one out")
    cleaning = Cleaning(threshold, fill_holes, smallest_object, postprocess)
    where = None if field is None else Field.parse(field)
    require_output(out, data, Path(model))
    form = find_form(out)  # refuses a name that says nothing, before any work
    if trajectory and not form.keeps_trajectory:
        raise ConfigError(f"{out.name} cannot hold a trajectory; leave out --trajectory, or write .hdf5 or .npz")
    with open_dataset(data) as dataset:
        dataset.verify()
        case = dataset.case(split, index)
    if random_crop is not None:
        case = crops.random_crop(case, random_crop, crop_seed)
    seen = case if where is None else where.cut(case)
    wish = SamplingWish(sampler, steps, grid, eta, guidance, precision)
    segmenter = load_segmenter(model, device, wish, tell=note).given(seen)
    if line := another_size(model, seen.image.shape):
        note(line)
    walk, x0_hat = None, None
    if trajectory or threshold:
        if not isinstance(segmenter, StepwiseSampler):
            lacks = "trajectory" if trajectory else "threshold"
            raise ConfigError(f"{model!r} draws in one pass and has no {lacks}; leave out --{lacks}")
        steps_seen = segmenter.walk(seen.image, samples, seed)
        if trajectory:
            walked = list(steps_seen)
            walk, last = Trajectory.of(walked), walked[-1]
        else:
            for last in steps_seen:  # noqa: B007 -- the last one is read
                pass
        drawn, x0_hat = SampleSet(last.masks, seed, segmenter.provenance), last.x0_hat
    else:
        drawn = segmenter.draw(seen.image, samples, seed)
    cleaned = None if cleaning.is_nothing else cleaning.apply(drawn.masks, x0_hat)
    files = write_samples(out, case, drawn, walk, cleaned=cleaned, field=where, cleaning=cleaning)
    facts = {
        "key": case.key,
        "patient": case.patient,
        "files": [str(path) for path in files],
        "field": None if where is None else str(where),
        "n": samples,
        "seed": seed,
        "provenance": dict(drawn.provenance),
        "n_experts": seen.n_experts,
        "n_found": seen.n_found,
        "cleaning": None if cleaned is None else asdict(cleaning),
        "raw": _facts(CaseScores.of(drawn.masks, seen.masks)),
        "cleaned": None if cleaned is None else _facts(CaseScores.of(cleaned, seen.masks)),
    }
    if as_json:
        say(json.dumps(facts, indent=2))
    else:
        _print_draw(out, facts)


def _facts(scores: CaseScores) -> dict[str, Any]:
    """The scores, and the range of GED, as JSON has them; undefined numbers are None."""
    return {
        "scores": {name: _plain(value) for name, value in scores.values.items()},
        "ged_interval": {
            estimator: [_plain(end) for end in scores.range_of(f"ged_{estimator.lower()}")] for estimator in ("U", "V")
        },
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _print_draw(out: Path, facts: Mapping[str, Any]) -> None:
    n, raw = facts["n"], facts["raw"]
    within = "" if facts["field"] is None else f" within {facts['field']}"
    say(
        f"{out}: {n} masks for {facts['key']}, {_empty(raw, n)} of them empty; "
        f"{facts['n_found']} of {facts['n_experts']} experts drew one{within}"
    )
    for name in ("raw", "cleaned"):
        if numbers := facts[name]:
            empty = f"; {_empty(numbers, n)} of {n} empty" if name == "cleaned" else ""
            say(f"{name}: {_scores(numbers, n)}{empty}")
    if way := way_of_drawing(facts["provenance"]):
        say(way)


def _empty(numbers: Mapping[str, Any], n: int) -> int:
    return round(float(numbers["scores"]["empty_model"]) * n)


def _scores(numbers: Mapping[str, Any], n: int) -> str:
    scores, estimator = numbers["scores"], "U" if n > 1 else "V"
    low, high = numbers["ged_interval"][estimator]
    within = "" if low is None else f" [{number(low)}, {number(high)}]"
    ged, dice = number(scores[f"ged_{estimator.lower()}"]), number(scores["dice"])
    return f"GED ({estimator}) {ged}{within}, dice {dice}, n = {n}"
