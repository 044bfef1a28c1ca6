"""The command that runs the paper's grids of experiments."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.cli._app import app
from training.cli._arguments import Device
from training.cli._printing import counted, note, say
from training.errors import ConfigError
from training.signals import stop_on_signals

if TYPE_CHECKING:
    from training.ablation.plan import Ablation, Cell
    from training.ablation.record import Record
    from training.ablation.run import Finished


@app.command()
def ablate(
    grid: Annotated[
        str,
        typer.Argument(help="table1, table2, table3, table4, fig6, fig7, fig8, fig9, or a .toml file of your own."),
    ],
    data: Annotated[
        list[Path],
        typer.Argument(
            help="One or more data files: train splits are trained on, the first file with the scored split is scored."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder of all results; grids share their trainings.")],
    scale: Annotated[
        str,
        typer.Option(help="full; laptop; tiny; a number such as 0.1, of steps and scored cases; or a .toml file."),
    ] = "full",
    device: Device = "auto",
    part: Annotated[
        str, typer.Option(metavar="I/N", help="Only every N-th training and its cells, the I-th, counted from 0.")
    ] = "0/1",
    split: Annotated[str | None, typer.Option(help="train, val or test; the grid's own, val, if left out.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of all trainings.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Only say what there is to do, and how much is done.")] = False,
) -> None:
    """Run a grid of experiments of the paper: train, draw, score.  The same command again goes on.

    Several at a time in one OUT_DIR share the work.
    """
    from training.ablation.grid import load_grid
    from training.ablation.plan import plan_ablation
    from training.ablation.record import Record, notice
    from training.ablation.scale import load_scale
    from training.ablation.settings import parsed_settings

    ablation = plan_ablation(load_grid(grid), data, load_scale(scale), parsed_settings(set_ or []), split)
    chosen = _part(part)
    cells = ablation.of_part(*chosen)
    record = Record(out, ablation)
    record.require_same()
    say(f"{ablation.grid.name}: {ablation.grid.title}; {_scored(ablation)}")
    if text := notice(ablation):
        say(text)
    for caution in ablation.data.cautions:
        note(caution)
    if list_:
        _list(cells, record)
    else:
        _run(ablation, cells, record, out, device, chosen)


def _run(
    ablation: Ablation, cells: Sequence[Cell], record: Record, out: Path, device: str, part: tuple[int, int]
) -> None:
    from tqdm import tqdm

    from training.ablation.run import Finished, ablate

    states = record.states()
    done, doing = sum(states[cell.id].state == "done" for cell in cells), ""
    with stop_on_signals() as stop, tqdm(total=0, disable=None) as bar:

        def tell(line: str) -> None:
            bar.clear()
            note(line)

        work = ablate(ablation, out, device=device, part=part, should_stop=stop.is_set, tell=tell)
        while True:
            try:
                event = next(work)
            except StopIteration as end:
                outcome = end.value
                break
            if isinstance(event, Finished):
                done += 1
                bar.clear()
                say(_line(event, done, len(cells)))
                sys.stdout.flush()  # a batch system's log is read while this goes on for days
            elif bar.disable:
                if doing != (doing := f"{event.doing} {event.what}"):
                    say(f"{doing} ({event.done:,} of {event.total:,})")
                    sys.stdout.flush()
            else:
                bar.set_description(f"{event.doing} {event.what}", refresh=False)
                bar.total, bar.n = event.total, event.done
                bar.set_postfix_str(event.numbers)
    counts = {state: outcome.count(state) for state in ("done", "failed", "missing")}
    say(f"{ablation.grid.name}: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count))
    for cell in cells:
        if cell.run is None:
            say(f"missing {cell.title}: {cell.absent}")
    say(f"its tables and figures so far: ambiseg report {shlex.quote(str(out))}")
    for cell in cells:
        if outcome.states[cell.id].state == "failed":
            typer.echo(f"ambiseg: failed {cell.title}: {outcome.states[cell.id].reason}", err=True)
    if outcome.was_stopped:
        say("stopped; the same command goes on from there")
        raise typer.Exit(stop.exit_code or 128 + signal.SIGTERM)
    if counts["failed"]:
        raise typer.Exit(2)


def _scored(ablation: Ablation) -> str:
    """What the scores are of."""
    data, printed = ablation.data, ablation.grid.paper_split
    other = "" if data.split == printed else f" (the paper scores {printed}: --split {printed})"
    return f"split {data.split}{other} of {data.scored.path.name}, {data.cases:,} cases"


def _line(event: Finished, number: int, of: int) -> str:
    """One line for a cell that is finished with."""
    where = f"[{number}/{of}] {event.state} {event.cell.title}"
    if event.state != "done":
        return f"{where}: {event.reason}"
    return f"{where}: " + "; ".join(_headline(n, one["raw"]) for n, one in event.scores["scores"].items())


def _headline(n: str, scores: dict[str, Any]) -> str:
    found = [(label, scores[name]["mean"]) for name, label in (("ged_v", "GED (V)"), ("dice", "dice"))]
    return ", ".join(f"{label} {'undefined' if value is None else f'{value:.3f}'}" for label, value in found) + (
        f" (n = {n})"
    )


def _list(cells: Sequence[Cell], record: Record) -> None:
    """What there is to do."""
    states = record.states()
    todo = [cell for cell in cells if cell.run is not None and states[cell.id].state != "done"]
    for cell in cells:
        state = states[cell.id]
        run = "" if cell.run is None else f"  run {cell.run.name}"
        say(f"{state.state:8}{cell.title}{run}{f'  ({state.reason})' if state.reason else ''}")
    runs = {cell.run.name: cell.run for cell in cells if cell.run is not None}
    steps = sum(run.config.fit.steps for run in runs.values())
    made = sum(record.steps_done(run) for run in runs.values())
    trainings = f"{counted(len(runs), 'training')} of {counted(steps, 'step')} in all"
    say(f"{counted(len(cells), 'cell')}, {len(todo)} to do; {trainings}, {made:,} done")


def _part(text: str) -> tuple[int, int]:
    try:
        i, n = text.split("/")
        return int(i), int(n)
    except ValueError:
        raise ConfigError(f"cannot read the part {text!r}; write it as 0/8, the first of eight") from None
