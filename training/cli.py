"""The command ``ambiseg``.  Each command parses, calls one thing, and prints; heavy imports wait until then."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.atomic import write_bytes
from training.errors import AmbisegError, ConfigError
from training.signals import stop_on_signals

if TYPE_CHECKING:
    from training.records import AnnotatedSlice

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Learn, draw and measure what experts disagree about.  Research use only, not for diagnosis.",
)

Model = Annotated[str, typer.Argument(help="A shipped name (see `ambiseg models`), a run folder or a checkpoint.")]
Data = Annotated[Path, typer.Argument(help="Annotated slices: an HDF5 file in PHiSeg's layout.")]
Split = Annotated[str, typer.Option(help="train, val or test.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Sampler = Annotated[str | None, typer.Option(help="ddim, ddpm or ddpm-large; the model's own if left out.")]
Steps = Annotated[int | None, typer.Option(help="Network calls per sample; the model's own if left out.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Names the noise: the same seed draws the same masks.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command; a user's mistake is one line on standard error and exit code 2."""
    # So that a terminated command tidies up as an interrupted one does; `train` has its own, gentler way.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except AmbisegError as error:
        print(f"ambiseg: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


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

    _require_output(out)
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
    _say(f"{out}: {cases} slices")


@app.command()
def info(
    what: Annotated[str, typer.Argument(metavar="FILE_OR_MODEL", help="A data file, a model or a preset.")],
    as_json: AsJson = False,
) -> None:
    """Describe a data set, a model or a preset."""
    from training.report.facts import describe

    _print_facts(describe(what), as_json)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models that come with the program."""
    from training.model_card import shipped_models

    cards = shipped_models()
    if as_json:
        _say(json.dumps({name: card.model_dump(mode="json") for name, card in cards.items()}, indent=2))
        return
    for name, card in cards.items():
        _say(f"{name}  {card.image_size} x {card.image_size}, {card.parameters:,} parameters.  {card.summary}")


@app.command()
def train(
    data: Annotated[list[Path], typer.Argument(help="One or more data files; their train splits are used.")],
    run_dir: Annotated[Path, typer.Argument(help="Folder of this run.")],
    preset: Annotated[str, typer.Option(help="Name of a preset, or a .toml file.")] = "paper-128",
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")] = None,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Insist that there is a checkpoint to go on from.")] = False,
) -> None:
    """Train a model.  The same command again goes on from the last checkpoint."""
    from tqdm import tqdm

    from training.config import load_config
    from training.fit.run import train_run

    config = load_config(preset, set_ or [])
    progress = None
    with stop_on_signals() as stop, tqdm(total=config.fit.steps, unit="step", disable=None) as bar:
        for progress in train_run(config, data, run_dir, device, must_resume=resume, should_stop=stop.is_set):
            if bar.n == 0:  # what was done before counts neither for the rate nor for the time left
                bar.n = bar.initial = progress.step
            bar.update(progress.step - bar.n)
            bar.set_postfix_str(f"loss {progress.loss:.4f}")
            if bar.disable:
                _say(progress.line())
    at, of = (progress.step, progress.steps) if progress else (config.fit.steps, config.fit.steps)
    _say(f"{run_dir}: {'at' if progress else 'already at'} step {at} of {of}")
    if stop.is_set():
        raise typer.Exit(stop.exit_code)


@app.command()
def sample(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Argument(help="The HDF5 file to write.")],
    split: Split = "val",
    index: Annotated[int, typer.Option(min=0, help="Which slice of the split.")] = 0,
    samples: Annotated[int, typer.Option(min=1, help="How many masks to draw.")] = 16,
    steps: Steps = None,
    sampler: Sampler = None,
    seed: Seed = 0,
    device: Device = "auto",
    trajectory: Annotated[bool, typer.Option("--trajectory", help="Keep every step too.")] = False,
) -> None:
    """Draw masks for one slice and write them to a file."""
    from training.build import load_segmenter
    from training.data.opening import open_dataset
    from training.export import write_samples
    from training.records import SampleSet, Trajectory
    from training.segmenters.interface import StepwiseSampler

    _require_output(out, data, Path(model))
    with open_dataset(data) as dataset:
        case = dataset.case(split, index)
    segmenter = load_segmenter(model, device, sampler=sampler, steps=steps).given(case)
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
    _say(
        f"{out}: {samples} masks for {case.key}, {empty} of them empty; "
        f"{case.n_found} of {case.n_experts} experts drew one"
    )


@app.command()
def evaluate(
    model: Model,
    data: Data,
    split: Split = "val",
    samples: Annotated[str, typer.Option(help="Numbers of masks to score, separated by commas.")] = "4,16",
    steps: Steps = None,
    sampler: Sampler = None,
    postprocess: Annotated[float, typer.Option(min=0, max=1, help="r of the relative-area post-processing.")] = 0.5,
    seed: Seed = 0,
    cases: Annotated[int | None, typer.Option(min=1, help="Score the first so many slices only.")] = None,
    device: Device = "auto",
    out: Annotated[Path | None, typer.Option(help="Write the scores to this JSON file.")] = None,
) -> None:
    """Score a model against the experts: GED, dice, IoU, diversity, empty masks, with intervals over patients."""
    from itertools import islice

    from tqdm import tqdm

    from training.build import load_segmenter
    from training.data.opening import open_dataset
    from training.evaluation.evaluate import Evaluation, evaluate_cases

    counts = _counts(samples)
    if out is not None:
        _require_output(out, data, Path(model))
    segmenter = load_segmenter(model, device, sampler=sampler, steps=steps)
    with open_dataset(data) as dataset:
        if split not in dataset.splits:
            raise ConfigError(f"{data}: no split {split!r}; choose one of: {', '.join(dataset.splits)}")
        total = min(len(dataset.splits[split]), cases or sys.maxsize)
        chosen = islice(dataset.splits[split], total)
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
            "sampling": dict(segmenter.provenance),
        }
    summary = facts | evaluation.summary()
    _print_scores(summary)
    if out is not None:
        _write_json(out, summary)


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
    from training.build import load_model_weights
    from training.checkpoint import save_weights
    from training.model_card import find_weights

    if out.suffix != ".safetensors":
        raise ConfigError(f"the name of a weights file must end in .safetensors, got {out.name!r}")
    _require_output(out, find_weights(model))
    tensors, card = load_model_weights(model)
    found = _read_scores(scores) if scores else {}
    changes = {"name": name, "summary": summary, "licence": licence, "command": command, "scores": found}
    with _writing(out):
        save_weights(out, {key: tensor.half() for key, tensor in tensors.items()}, card.model_copy(update=changes))
    _say(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def _require_output(out: Path, *inputs: Path) -> None:
    """Refuse, before any work, a file that cannot be written or that would replace what is read."""
    if out.is_dir():
        raise ConfigError(f"cannot write {out}: it is a folder; give the name of a file")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"cannot write {out}: the folder {out.absolute().parent} does not exist; make it first")
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise ConfigError(f"cannot write {out}: it is also what is read; give another name")


def _counts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"cannot read the numbers of masks {text!r}; write them as 4,16") from None


def _read_scores(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"cannot read the scores {path}: {error}; give what `ambiseg evaluate --out` wrote"
        ) from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}; choose another place") from error


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    with _writing(path):
        write_bytes(path, json.dumps(content, indent=2).encode())


def _say(line: str) -> None:
    print(line)  # noqa: T201


def _print_facts(facts: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        _say(json.dumps(facts, indent=2))
    else:
        _print_tree(facts, "")


def _print_tree(facts: Mapping[str, object], indent: str) -> None:
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            _say(f"{indent}{name}:")
            _print_tree(value, indent + "  ")
        else:
            _say(f"{indent}{name}: {value:,}" if isinstance(value, int) else f"{indent}{name}: {value}")


def _print_scores(summary: Mapping[str, Any]) -> None:
    _say(
        f"{summary['segmenter']}: {summary['cases']} cases of {summary['patients']} patients; "
        "mean [95 % interval over patients]"
    )
    for n, variants in summary["scores"].items():
        for variant, scores in variants.items():
            _say(f"n = {n}, {variant}")
            for name, score in scores.items():
                _say(f"  {name:18} {_interval(score)}")


def _interval(score: Mapping[str, float | None]) -> str:
    if score["mean"] is None:
        return "undefined"
    text = f"{score['mean']:.3f}"
    if score["low"] is not None:
        text += f" [{score['low']:.3f}, {score['high']:.3f}]"
    if score["undefined"]:
        text += f"  ({score['undefined']} cases undefined)"
    return text
