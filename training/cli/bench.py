"""Commands that measure speed, and what it costs in accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli._app import app
from training.cli._arguments import AsJson, Device
from training.cli._printing import print_facts, say
from training.errors import ConfigError

if TYPE_CHECKING:
    from training.bench.outcome import Outcome

bench = typer.Typer(
    no_args_is_help=True,
    help="Measure speed beside other libraries and plain code, and what it costs in accuracy.",
)
app.add_typer(bench, name="bench")

DEFAULT_PRESET = "paper-128"

Rounds = Annotated[int, typer.Option(help="How often each contender runs; results are medians.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="NAME", help="One contender; give it again for more.")
]
Peak = Annotated[
    float | None, typer.Option(min=0.001, help="The device's peak in bfloat16, in TFLOP/s, to print the share of it.")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")]
Preset = Annotated[str | None, typer.Option(help=f"Network: a preset or a .toml file; {DEFAULT_PRESET} if left out.")]


@bench.command()
def sampling(
    preset: Preset = None,
    model: Annotated[str | None, typer.Option(help="A trained model instead of random weights.")] = None,
    device: Device = "auto",
    samples: Annotated[int, typer.Option(min=1, help="Masks of one slice.")] = 16,
    steps: Annotated[int, typer.Option(help="Network calls for each.")] = 10,
    rounds: Rounds = 5,
    only: Only = None,
    peak_tflops: Peak = None,
    as_json: AsJson = False,
) -> None:
    """Draw masks: ours, a plain loop on the same network, MONAI, diffusers.  Exits with 1 if the masks differ."""
    from training.bench.sampling import bench_sampling
    from training.device import pick_device
    from training.model_card import find_weights, read_card
    from training.presets import load_config

    if model is not None and preset is not None:
        raise ConfigError(f"--model {model} and --preset {preset} both name the network; give one of them")
    if model is None:
        config = load_config(preset or DEFAULT_PRESET)
    else:
        config = read_card(find_weights(model).with_suffix(".json")).config
    with bar() as tick:
        outcome = bench_sampling(
            config,
            pick_device(device),
            model=model,
            samples=samples,
            steps=steps,
            rounds=rounds,
            only=only or (),
            peak_tflops=peak_tflops,
            tick=tick,
        )
    tell(outcome, as_json)


@bench.command()
def training(
    preset: Preset = None,
    set_: Set = None,
    device: Device = "auto",
    steps: Annotated[
        int | None, typer.Option(help="Steps timed together; 1 on a CPU and 50 on a GPU if left out.")
    ] = None,
    rounds: Rounds = 5,
    only: Only = None,
    peak_tflops: Peak = None,
    as_json: AsJson = False,
) -> None:
    """Training steps: ours, a plain loop on the same network, MONAI, diffusers.  Exits with 1 if the losses differ."""
    from training.bench.training_step import bench_training
    from training.device import pick_device
    from training.presets import load_config

    config = load_config(preset or DEFAULT_PRESET, set_ or [])
    with bar() as tick:
        outcome = bench_training(
            config,
            pick_device(device),
            steps=steps,
            rounds=rounds,
            only=only or (),
            peak_tflops=peak_tflops,
            tick=tick,
        )
    tell(outcome, as_json)


@bench.command()
def metrics(
    samples: Annotated[int, typer.Option(min=1, help="Masks of each slice.")] = 16,
    cases: Annotated[int, typer.Option(min=1, help="Slices scored in one call.")] = 20,
    size: Annotated[int, typer.Option(help="Pixels per side, a multiple of 8.")] = 128,
    rounds: Rounds = 5,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Score masks: ours and a loop over pairs of masks.  Exits with 1 if the scores differ."""
    from training.bench.scoring import bench_metrics

    with bar() as tick:
        outcome = bench_metrics(samples=samples, cases=cases, size=size, rounds=rounds, only=only or (), tick=tick)
    tell(outcome, as_json)


@bench.command()
def io(
    data: Annotated[
        list[Path] | None, typer.Argument(help="Data files, whose train splits are taken; phantoms if left out.")
    ] = None,
    phantoms: Annotated[
        int | None, typer.Option(min=1, help="How many synthetic slices, where no file is given; 2000 if left out.")
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="A folder of pictures to convert as well.")] = None,
    reads: Annotated[int, typer.Option(min=1, help="Single slices read in one call.")] = 4000,
    rounds: Rounds = 5,
    as_json: AsJson = False,
) -> None:
    """Read slices: ours and gzip-compressed float64, slice by slice.  Exits with 1 if what is read differs."""
    from training.bench.loading import bench_io

    if data and phantoms is not None:
        raise ConfigError("--phantoms means nothing beside data files; leave one of them out")
    with bar() as tick:
        outcome = bench_io(
            data or (), phantoms=phantoms or 2000, pictures=pictures, reads=reads, rounds=rounds, tick=tick
        )
    tell(outcome, as_json)


@contextmanager
def bar() -> Iterator[Callable[[str], None]]:
    """A bar on standard error that counts what has run."""
    from tqdm import tqdm

    with tqdm(desc="warming up", unit="run", disable=None) as shown:

        def tick(name: str) -> None:
            shown.set_description(name, refresh=False)
            shown.update()

        yield tick


def tell(outcome: Outcome, as_json: bool) -> None:
    """Print what was found; exits with 1 if anything of it is wrong."""
    from training.bench.table import lines

    if as_json:
        print_facts(outcome.facts(), as_json)
    else:
        for line in lines(outcome):
            say(line)
    if not outcome.holds:
        raise typer.Exit(1)
