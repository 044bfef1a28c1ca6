"""The command that scores masks."""

from __future__ import annotations

import signal
from dataclasses import fields
from pathlib import Path
from typing import Annotated

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
    Split,
    Steps,
    require_crop,
)
from training.cli._files import require_output
from training.cli._printing import note, say
from training.cli._scores import print_scores
from training.errors import ConfigError
from training.sampling_wish import SamplingWish
from training.signals import stop_on_signals

Evaluated = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A shipped name (see `ambiseg models`), a run folder or a .safetensors file; or a reference: experts "
        "(draws from the case's own annotations), empty, or human (each expert beside the others, n = 1).",
    ),
]


@app.command()
def evaluate(
    context: typer.Context,
    model: Evaluated,
    data: Data,
    split: Split = "val",
    samples: Annotated[str, typer.Option(help="Numbers of masks to score, separated by commas.")] = "4,16",
    steps: Steps = None,
    sampler: Sampler = None,
    grid: Grid = None,
    eta: Eta = None,
    guidance: Guidance = None,
    precision: Precision = "auto",
    postprocess: Annotated[
        str, typer.Option(help="r of the relative-area post-processing; several, separated by commas; or none.")
    ] = "0.5",
    seed: Seed = 0,
    cases: Annotated[int | None, typer.Option(min=1, help="Score the first so many slices only.")] = None,
    random_crop: RandomCrop = None,
    crop_seed: CropSeed = 0,
    device: Device = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Write the scores to this .json file, and those of each case beside it.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds for which one process of several waits for another.")
    ] = 86_400,
) -> None:
    """Score a model against the experts: GED, dice, IoU, diversity, calibration, with intervals over patients.

    With --out the same command again goes on where it was interrupted.  On several GPUs or cores:
    torchrun --nproc-per-node N -m training evaluate ... --out scores.json
    """
    from tqdm import tqdm

    from training.evaluation.cases import Plan
    from training.evaluation.run import evaluate_run
    from training.processes import OtherProcessError, is_first_process

    require_crop(crop_seed, random_crop)
    plan = Plan(_whole_numbers(samples), _relative_areas(postprocess), seed)
    if out is not None:
        require_output(out, data, Path(model))
    speaks = is_first_process()
    if speaks and (idle := _without_effect(context, model)):
        note(f"{model!r} is no network, {', '.join(idle)} mean nothing to it")
    progress = None
    with stop_on_signals() as stop, tqdm(unit="case", disable=None if speaks else True) as bar:
        run = evaluate_run(
            model,
            data,
            out,
            split=split,
            plan=plan,
            wish=SamplingWish(sampler, steps, grid, eta, guidance, precision),
            device=device,
            cases=cases,
            random_crop=random_crop,
            crop_seed=crop_seed,
            should_stop=stop.is_set,
            tell=note,
            timeout=timeout,
        )
        try:
            while True:
                progress = next(run)
                if bar.total is None:  # what was done before counts neither for the rate nor for the time left
                    bar.total, bar.n, bar.initial = progress.total, progress.done, progress.done
                bar.update(progress.done - bar.n)
        except StopIteration as end:
            summary = end.value
        except OtherProcessError:  # which says why
            raise typer.Exit(2) from None
    if summary is not None and progress is not None:
        print_scores(summary, progress.cost)
    if progress is None or not progress.is_finished:  # by a signal to this process, or to another one
        if speaks:
            where = f"at {progress.done} of {progress.total} cases" if progress else "before the first case"
            hint = "" if out is None else "; the same command goes on from there"
            say(f"{model}: stopped {where}{hint}")
        raise typer.Exit(stop.exit_code or 128 + signal.SIGTERM)


def _without_effect(context: typer.Context, model: str) -> list[str]:
    """The options that were given to a reference though nothing of it depends on them."""
    of_drawing = tuple(field.name for field in fields(SamplingWish))
    idle = {"human": ("samples", "postprocess", "seed", *of_drawing), "experts": of_drawing, "empty": of_drawing}
    return [
        option.opts[0]
        for option in context.command.params
        if option.name in idle.get(model, ()) and context.params[option.name] != option.get_default(context)
    ]


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"cannot read the numbers of masks {text!r}; write them as 4,16") from None


def _relative_areas(text: str) -> tuple[float, ...]:
    if text.strip() == "none":
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"cannot read the relative areas {text!r}; write them as 0.3,0.5, or none") from None
