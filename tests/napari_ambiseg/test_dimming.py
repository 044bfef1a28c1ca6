"""The drawn masks step back while an earlier state is looked at, and come back as the user had them."""

import pytest

from napari_ambiseg.dimming import DIMMED
from napari_ambiseg.layers.roles import SAMPLES, TRAJECTORY
from napari_ambiseg.state import NOISY, PREDICTED

from .played_engine import STEPS, draw


@pytest.fixture
def drawn(controller, engine):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.tick()
    controller.layers.find(SAMPLES).opacity = 0.7
    return controller


def opacity(controller):
    return controller.layers.find(SAMPLES).opacity


def test_outlines_are_dimmed_before_the_last_frame_and_the_users_opacity_comes_back(drawn):
    assert (drawn.state.playback.frame, opacity(drawn)) == (STEPS, 0.7)
    for frame in (2, 1, 0):
        drawn.state.playback.frame = frame
        assert opacity(drawn) == DIMMED
    drawn.state.playback.frame = STEPS
    assert opacity(drawn) == 0.7


def test_the_noisy_state_dims_at_the_last_frame_too(drawn):
    drawn.state.playback.quantity = NOISY
    assert opacity(drawn) == DIMMED
    drawn.state.playback.quantity = PREDICTED
    assert opacity(drawn) == 0.7


def test_an_opacity_that_the_user_sets_meanwhile_stays(drawn):
    drawn.state.playback.frame = 1
    drawn.layers.find(SAMPLES).opacity = 0.4
    drawn.state.playback.frame = 2
    assert opacity(drawn) == 0.4
    drawn.state.playback.frame = STEPS
    assert opacity(drawn) == 0.4


def test_a_fainter_opacity_is_not_raised(drawn):
    drawn.layers.find(SAMPLES).opacity = 0.05
    drawn.state.playback.frame = 1
    assert opacity(drawn) == 0.05
    drawn.state.playback.frame = STEPS
    assert opacity(drawn) == 0.05


def test_a_hidden_trajectory_dims_nothing(drawn):
    drawn.state.playback.frame = 1
    drawn.layers.find(TRAJECTORY).visible = False
    drawn.tick()
    assert opacity(drawn) == 0.7


def test_the_next_case_begins_undimmed(drawn, engine):
    drawn.state.playback.frame = 1
    drawn.opener.next_case()
    drawn.tick()
    assert opacity(drawn) == 0.7
