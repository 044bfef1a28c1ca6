"""``ambiseg bench`` as its users meet it."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from training.bench import scoring
from training.bench.outcome import Outcome
from training.bench.targets import Finding
from training.cli import app
from training.errors import AmbisegError

from .test_outcome import MACHINE

COMMANDS = ("sampling", "training", "io", "metrics")
TINY = {
    "sampling": ["--preset", "tiny", "--samples", 2, "--steps", 2, "--only", "ours-fp32", "--only", "plain-fp32"],
    "training": ["--preset", "tiny", "--only", "ours-fp32", "--only", "plain-fp32"],
    "io": ["--phantoms", 2, "--reads", 2],
    "metrics": ["--samples", 2, "--cases", 1, "--size", 32],
}


def bench(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_bench_prints_json(command):
    done = bench(command, *TINY[command], "--rounds", 1, "--json")
    assert done.exit_code == 0, done.exception
    facts = json.loads(done.stdout)
    assert all(gate["holds"] for gate in facts["gates"])
    assert facts["gates"]
    assert all(row["median"] > 0 for group in facts["groups"] for row in group["rows"])


def test_the_table_names_machine_contenders_and_gates():
    done = bench("metrics", *TINY["metrics"], "--rounds", 2)
    assert done.exit_code == 0, done.exception
    for part in ("Scoring masks", "load average", "pair-loop", "x ours (min-max)", "2 rounds", "-- holds"):
        assert part in done.stdout


def test_a_gate_that_fails_is_exit_code_1(monkeypatch):
    monkeypatch.setattr(scoring, "ROUNDING", -1.0)
    done = bench("metrics", *TINY["metrics"], "--rounds", 1)
    assert done.exit_code == 1
    assert "-- FAILS" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_bench_explains_itself_without_importing_torch(command):
    code = (
        "import sys; from training.cli import app\n"
        f"try: app(['bench', '{command}', '--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "assert code == 0 and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sampling", "--preset", "tiny", "--model", "demo"], "both name the network"),
        (["sampling", "--preset", "papr"], "unknown preset 'papr'"),
        (["sampling", "--model", "nonsense"], "no model 'nonsense'"),
        (["sampling", "--preset", "tiny", "--only", "ours"], "unknown contender 'ours'; choose from: ours-fp32"),
        (["sampling", "--device", "cuda:77"], "no device 'cuda:77'"),
        (["training", "--preset", "tiny", "--steps", "0"], "at least 1 step and at most 1000"),
        (["training", "--preset", "tiny", "--set", "fit.stepz=1"], "unknown setting 'fit.stepz'"),
        (["metrics", "--rounds", "0"], "at least 1 round"),
        (["io", "missing.hdf5"], "missing.hdf5"),
    ],
)
def test_a_mistake_is_told(arguments, says):
    with pytest.raises(AmbisegError, match=says):
        app(["bench", *arguments], standalone_mode=False)


def test_a_mistake_is_one_line_and_exit_code_2():
    done = subprocess.run(
        [sys.executable, "-P", "-m", "training", "bench", "metrics", "--rounds", "0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ambiseg: a measurement needs at least 1 round")
    assert done.stderr.count("\n") == 1


GPU_COMMANDS = {
    "same-masks": ("same_masks.bench_same_masks", ["--samples", 3], {"samples": 3, "model": "demo"}),
    "losses": ("losses.bench_losses", ["--steps", 40], {"steps": 40}),
    "memory": ("memory.bench_memory", ["--samples", 2], {"samples": 2, "model": "demo"}),
    "waiting": ("waiting.bench_waiting", ["--steps", 7, "--rounds", 2], {"steps": 7, "rounds": 2}),
    "evaluation": ("evaluation.bench_evaluation", ["--slices", 5, "--data", "a.hdf5"], {"slices": 5, "samples": 16}),
}


@pytest.mark.parametrize("command", GPU_COMMANDS)
def test_what_the_check_of_a_gpu_measures_can_be_asked_for_alone(command, monkeypatch):
    """The same functions; what they find is tested where they are."""
    function, arguments, expected = GPU_COMMANDS[command]
    asked = {}

    def measured(*_, tick, **settings):
        asked.update(settings)
        return Outcome("Found", {}, MACHINE, (), findings=(Finding("graph", 1.0),))

    monkeypatch.setattr(f"training.bench.{function}", measured)
    done = bench(command, "--device", "cpu", *arguments)
    assert done.exit_code == 1  # as its finding is not met
    assert "not met" in done.stdout
    assert expected.items() <= asked.items()


@pytest.mark.parametrize(("arguments", "pixels"), [([], 64), (["--size", 32], 32), (["--preset", "paper-128"], 64)])
def test_losses_are_compared_at_the_size_that_is_asked_for(monkeypatch, arguments, pixels):
    sizes = []

    def measured(config, *_, **__):
        sizes.append(config.image_size)
        return Outcome("Found", {}, MACHINE, ())

    monkeypatch.setattr("training.bench.losses.bench_losses", measured)
    assert bench("losses", *arguments).exit_code == 0
    assert sizes == [pixels]
    assert "--size" in bench("losses", "--help").stdout
