"""Commands about models: list, train, export."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from training.atomic import writing
from training.cli._app import app
from training.cli._arguments import AsJson, Device, Model
from training.cli._files import read_scores, require_output
from training.cli._printing import note, say
from training.errors import ConfigError
from training.signals import stop_on_signals


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models that come with the program."""
    from training.model_card import shipped_models

    cards = shipped_models()
    if as_json:
        say(json.dumps({name: card.model_dump(mode="json") for name, card in cards.items()}, indent=2))
        return
    for name, card in cards.items():
        say(f"{name}  {card.image_size} x {card.image_size}, {card.parameters:,} parameters.  {card.summary}")


@app.command()
def train(
    data: Annotated[list[Path], typer.Argument(help="One or more data files; their train splits are used.")],
    run_dir: Annotated[Path, typer.Argument(help="Folder of this run.")],
    preset: Annotated[str, typer.Option(help="Name of a preset, or a .toml file.")] = "paper-128",
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")] = None,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Insist that there is a checkpoint to go on from.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also log for TensorBoard.")] = False,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds for which one process of several waits for another.")
    ] = 600,
) -> None:
    """Train a model.  The same command again goes on from the last checkpoint.

    On several GPUs or machines: torchrun --nproc-per-node N -m training train ...
    """
    from tqdm import tqdm

    from training.fit.run import train_run
    from training.presets import load_config
    from training.processes import OtherProcessError, is_first_process

    config = load_config(preset, set_ or [])
    speaks = is_first_process()
    progress = None
    with stop_on_signals() as stop, tqdm(total=config.fit.steps, unit="step", disable=None if speaks else True) as bar:
        run = train_run(
            config,
            data,
            run_dir,
            device,
            must_resume=resume,
            should_stop=stop.is_set,
            tell=note,
            tensorboard=tensorboard,
            timeout=timeout,
        )
        try:
            while True:
                progress = next(run)
                if bar.n == 0:  # what was done before counts neither for the rate nor for the time left
                    bar.n = bar.initial = progress.step
                bar.update(progress.step - bar.n)
                bar.set_postfix_str(progress.numbers())
                if bar.disable and speaks:
                    speaks = _say_if_read(progress.line())
        except StopIteration as end:
            ending = end.value
        except OtherProcessError:  # which says why
            raise typer.Exit(2) from None
    if speaks:
        how = ("" if progress else "already ") if ending.is_complete else "stopped "
        hint = "" if ending.is_complete else "; the same command goes on from there"
        _say_if_read(f"{run_dir}: {how}at step {ending.step} of {config.fit.steps}{hint}")
    if not ending.is_complete:  # by a signal to this process, or to another one of the run
        raise typer.Exit(stop.exit_code or 128 + signal.SIGTERM)


def _say_if_read(line: str) -> bool:
    """Say it; False if nobody listens any more, which is no reason to stop training."""
    try:
        say(line)
        sys.stdout.flush()
    except OSError:  # a pipe or terminal that is closed, a file on a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's own flush fails too
        return False
    return True


@app.command()
def export(
    model: Model,
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write; its card goes beside it.")],
    name: Annotated[str, typer.Option(help="Name on the card.")],
    summary: Annotated[str, typer.Option(help="One line on the card.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "",
    command: Annotated[str, typer.Option(help="The command that trained it.")] = "",
    scores: Annotated[Path | None, typer.Option(help="JSON of `ambiseg evaluate` for the card.")] = None,
) -> None:
    """Write a model for others to use: float16 weights without the optimizer, and a card."""
    from training.checkpoint import MODEL, load_weights, model_tensors, save_weights
    from training.model_card import find_weights

    if out.suffix != ".safetensors":
        raise ConfigError(f"the name of a weights file must end in .safetensors, got {out.name!r}")
    require_output(out, find_weights(model))
    tensors, card = load_weights(find_weights(model))
    halves = {MODEL + key: tensor.half() for key, tensor in model_tensors(tensors).items()}
    found = read_scores(scores) if scores else {}
    changes = {"name": name, "summary": summary, "licence": licence, "command": command, "scores": found}
    with writing(out):
        save_weights(out, halves, card.model_copy(update=changes))
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
