"""How to draw, as one record and as words of a command line."""

import pickle
import subprocess
import sys
from dataclasses import fields

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from training.cli import app
from training.sampling_wish import SamplingWish

COMMANDS = typer.main.get_command(app).commands
NUMBERS = st.floats(0, 20)


def understood(command, words):
    """The wish of a command line: as the command itself reads it."""
    places = ["model", "data", "out"][: 3 if command == "sample" else 2]
    with COMMANDS[command].make_context(command, [*places, *words]) as context:
        return SamplingWish(**{field.name: context.params[field.name] for field in fields(SamplingWish)})


@pytest.mark.parametrize("command", ["sample", "evaluate"])
@given(
    st.builds(
        SamplingWish,
        sampler=st.none() | st.sampled_from(["ddim", "heun"]),
        steps=st.none() | st.integers(1, 100_000),
        grid=st.none() | st.just("log-snr"),
        eta=st.none() | NUMBERS,
        guidance=st.none() | NUMBERS,
        precision=st.sampled_from(["auto", "fp32", "bf16"]),
    )
)
def test_its_words_mean_to_the_command_line_what_it_means(command, wish):
    """To the last digit: another number would draw other masks."""
    assert understood(command, wish.options()) == wish


def test_what_is_left_to_the_model_has_no_words():
    assert SamplingWish().options() == ()
    assert SamplingWish(steps=4, eta=0.0).options() == ("--steps", "4", "--eta", "0.0")


def test_equal_wishes_are_one_key_and_travel_between_processes():
    wish = SamplingWish("ddim", 4)
    assert {wish: 1}[SamplingWish(sampler="ddim", steps=4)] == 1
    assert pickle.loads(pickle.dumps(wish)) == wish  # noqa: S301 -- our own bytes


def test_it_needs_no_torch():
    code = "import sys, training.sampling_wish, training.data.field; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.returncode == 0, done.stderr
