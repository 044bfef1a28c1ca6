"""Further measurements: what a GPU must do as the CPU does, what it leaves behind, and what it waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli._arguments import AsJson, Device
from training.cli.bench import DEFAULT_PRESET, Preset, Rounds, Set, bar, bench, tell


@bench.command("same-masks")
def same_masks(
    model: Annotated[str, typer.Option(help="A trained model: random weights answer nothing clearly.")] = "demo",
    device: Device = "auto",
    samples: Annotated[int, typer.Option(min=1, help="Masks of each slice.")] = 8,
    slices: Annotated[int, typer.Option(min=1, help="Phantoms.")] = 4,
    steps: Annotated[int, typer.Option(help="Reverse steps.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Every sampler, prediction type and precision beside the CPU; other batches.  Exits with 1 if masks differ."""
    from training.bench.same_masks import bench_same_masks
    from training.device import pick_device

    with bar() as tick:
        outcome = bench_same_masks(
            pick_device(device), model=model, samples=samples, slices=slices, steps=steps, tick=tick
        )
    tell(outcome, as_json)


@bench.command()
def losses(
    preset: Annotated[str, typer.Option(help="What to train: a preset or a .toml file.")] = "demo",
    set_: Set = None,
    device: Device = "auto",
    size: Annotated[int, typer.Option(help="Pixels per side, whatever the preset says: the CPU trains too.")] = 64,
    steps: Annotated[int, typer.Option(help="Of training, a multiple of 20.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Train on the device and on the CPU.  Exits with 1 if their losses come apart."""
    from training.bench.losses import bench_losses
    from training.device import pick_device
    from training.presets import load_config

    with bar() as tick:
        config = load_config(preset, [f"image_size={size}", *(set_ or [])])
        outcome = bench_losses(config, pick_device(device), steps=steps, tick=tick)
    tell(outcome, as_json)


@bench.command()
def memory(
    model: Annotated[str, typer.Option(help="A trained model.")] = "demo",
    device: Device = "auto",
    samples: Annotated[int, typer.Option(min=1, help="Masks of one drawing.")] = 16,
    steps: Annotated[int, typer.Option(help="Reverse steps.")] = 10,
    as_json: AsJson = False,
) -> None:
    """What a model, and a process that drew, leave behind.  Exits with 1 if anything is."""
    from training.bench.memory import bench_memory
    from training.device import pick_device

    with bar() as tick:
        outcome = bench_memory(pick_device(device), model=model, samples=samples, steps=steps, tick=tick)
    tell(outcome, as_json)


@bench.command()
def waiting(
    preset: Preset = None,
    set_: Set = None,
    device: Device = "auto",
    steps: Annotated[int, typer.Option(min=1, help="Timed together.")] = 200,
    rounds: Rounds = 5,
    as_json: AsJson = False,
) -> None:
    """Whether training waits for its batches, and what the device is busy with, by torch's profiler."""
    from training.bench.waiting import bench_waiting
    from training.device import pick_device
    from training.presets import load_config

    config = load_config(preset or DEFAULT_PRESET, set_ or [])
    with bar() as tick:
        outcome = bench_waiting(config, pick_device(device), steps=steps, rounds=rounds, tick=tick)
    tell(outcome, as_json)


@bench.command()
def evaluation(
    preset: Annotated[str, typer.Option(help="Network: a preset or a .toml file.")] = "recommended",
    set_: Set = None,
    device: Device = "auto",
    data: Annotated[Path | None, typer.Option(help="Its val split is evaluated; phantoms if left out.")] = None,
    slices: Annotated[int, typer.Option(min=1, help="At most so many.")] = 2827,
    samples: Annotated[int, typer.Option(min=1, help="Masks of each slice.")] = 16,
    training_steps: Annotated[int, typer.Option(min=1, help="Before it, so that masks are masks.")] = 1500,
    as_json: AsJson = False,
) -> None:
    """Train a network for a moment, and evaluate it from end to end: read, draw, score raw and post-processed."""
    from training.bench.evaluation import bench_evaluation
    from training.device import pick_device
    from training.presets import load_config

    with bar() as tick:
        outcome = bench_evaluation(
            load_config(preset, set_ or []),
            pick_device(device),
            data=data,
            slices=slices,
            samples=samples,
            training_steps=training_steps,
            tick=tick,
        )
    tell(outcome, as_json)
