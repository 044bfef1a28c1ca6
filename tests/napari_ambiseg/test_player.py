"""Scrubbing through a drawing: who moves the sliders, and what the canvas says."""

import numpy as np

from napari_ambiseg._compat import text_overlay

from .played_engine import STEPS, draw


def test_the_sliders_follow_the_newest_step_until_the_user_moves_them(controller, engine, viewer):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    assert viewer.dims.current_step[:2] == (0, 1)
    assert viewer.dims.axis_labels == ("sample", "step", "y", "x")
    viewer.dims.set_current_step(1, 0)
    engine.step(2)
    controller.tick()
    assert (viewer.dims.current_step[1], controller.state.playback.frame) == (0, 0)
    assert not controller.state.playback.following


def test_another_sample_may_be_watched_live(controller, engine, viewer):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0)
    controller.tick()
    viewer.dims.set_current_step(0, 3)
    engine.step(1)
    controller.tick()
    assert viewer.dims.current_step[:2] == (3, 1)
    assert controller.state.playback.sample == 3


def test_a_dock_that_goes_to_a_frame_stops_the_following_too(controller, engine, viewer):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1, 2)
    controller.tick()
    controller.state.playback.frame = 1
    engine.step(3)
    controller.tick()
    assert viewer.dims.current_step[1] == 1


def test_the_text_on_the_canvas_names_step_time_and_sample(controller, engine, viewer):
    controller.open_demo()
    draw(controller, engine)
    controller.state.playback.sample, controller.state.playback.frame = 4, 1
    assert viewer.dims.current_step[:2] == (4, 1)
    assert text_overlay(viewer).text == controller.frame_text() == "step 1 of 4   t = 0.75   sample 5 of 6"
    assert text_overlay(viewer).visible


def test_a_layer_of_the_users_own_with_more_axes_does_no_harm(controller, engine, viewer, told):
    controller.open_demo()
    viewer.add_image(np.zeros((40, 30, 20, 8, 8)), name="mine")
    draw(controller, engine)
    viewer.dims.set_current_step((0, 1, 2), (35, 29, 19))
    controller.tick()
    assert (controller.state.playback.sample, controller.state.playback.frame) == (5, STEPS)
    assert told() == []
