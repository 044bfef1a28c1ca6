"""Samples of a session say what they lack and how it comes back."""

from dataclasses import replace

import pytest

from napari_ambiseg.restored import restored_note

from .played_engine import draw

BACK = "opened from a session: Generate gives the steps and the threshold back"


@pytest.fixture
def restored(controller, engine):
    """A case whose masks come from a session."""
    controller.opener.open_demo()
    draw(controller, engine)
    run = replace(controller.results.run, x0_hat=None, frames=None, is_restored=True)
    controller.results.show(run)
    return controller


def test_the_same_masks_are_promised_only_where_all_is_set_as_then(restored):
    run, sampling = restored.results.run, restored.state.sampling
    assert restored_note(run, restored.state) == f"{BACK} (the same masks)"
    sampling.seed += 1
    assert restored_note(run, restored.state).startswith(f"{BACK} (other masks: ")
    sampling.seed -= 1
    assert restored_note(run, restored.state) == f"{BACK} (the same masks)"


def test_nothing_is_said_of_a_run_of_this_window_nor_of_a_reference(restored):
    run = restored.results.run
    assert restored_note(replace(run, is_restored=False), restored.state) == ""
    assert restored_note(replace(run, model="experts"), restored.state) == ""
