"""Scrubbing through a drawing: who moves the sliders, and what the canvas says."""

import math

import numpy as np
import pytest

from napari_ambiseg import player as player_module
from napari_ambiseg._compat import camera, text_overlay
from napari_ambiseg.layers.roles import TRAJECTORY
from napari_ambiseg.messages import Finished, Loaded
from napari_ambiseg.state import NOISY, PREDICTED

from .played_engine import STEPS, draw


@pytest.fixture(autouse=True)
def every_tick_redraws(controller, monkeypatch):
    monkeypatch.setattr(controller.player, "_pause", 0.0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(player_module.time, "monotonic", lambda: Clock.now)
    return Clock


def begin(controller, engine, *steps):
    controller.opener.open_demo()
    controller.generate()
    engine.load()
    engine.step(*steps)
    tick(controller)


def tick(controller):
    for _ in range(3):  # a tick takes in as much as it has time for
        controller.tick()


def test_the_sliders_follow_the_newest_step_until_the_user_moves_them(controller, engine, viewer):
    begin(controller, engine, 0, 1)
    assert viewer.dims.current_step[:2] == (0, 1)
    assert viewer.dims.axis_labels == ("sample (from 0)", "step", "y", "x")
    viewer.dims.set_current_step(1, 0)
    engine.step(2)
    tick(controller)
    assert (viewer.dims.current_step[1], controller.state.playback.frame) == (0, 0)
    assert not controller.state.playback.following


def test_another_sample_may_be_watched_live(controller, engine, viewer):
    begin(controller, engine, 0)
    viewer.dims.set_current_step(0, 3)
    engine.step(1)
    tick(controller)
    assert viewer.dims.current_step[:2] == (3, 1)
    assert controller.state.playback.sample == 3


def test_a_dock_that_goes_to_a_frame_stops_the_following_too_and_it_may_be_armed_again(controller, engine, viewer):
    begin(controller, engine, 0, 1, 2)
    controller.state.playback.frame = 1
    engine.step(3)
    tick(controller)
    assert viewer.dims.current_step[1] == 1
    controller.state.playback.following = True
    engine.step(4)
    tick(controller)
    assert viewer.dims.current_step[1] == 4


def test_the_text_on_the_canvas_names_step_sample_time_and_noise(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.state.playback.sample, controller.state.playback.frame = 4, 1
    assert viewer.dims.current_step[:2] == (4, 1)
    assert (shown := text_overlay(viewer).text.strip())
    assert controller.player.text().startswith(shown)  # as much of it as the canvas has room for
    assert controller.player.text() == "step 1/4 · sample 5/6 · from nearly all noise · t 0.75, log SNR −5.0"
    assert text_overlay(viewer).visible
    controller.state.playback.frame = 2
    assert controller.player.text().endswith("from half noise · t 0.50, log SNR 0.0")
    controller.state.playback.quantity = NOISY
    assert controller.player.text() == "step 2/4 · sample 5/6 · half noise · t 0.50, log SNR 0.0"
    assert "sample 5/6 · half noise" in text_overlay(viewer).text


def test_a_blind_reading_has_no_text(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.state.reading.blind = True
    assert controller.player.text() == text_overlay(viewer).text == ""
    controller.state.playback.frame = 1
    assert not text_overlay(viewer).visible
    controller.state.reading.blind = False
    assert text_overlay(viewer).visible


def test_a_layer_of_the_users_own_with_more_axes_does_no_harm(controller, engine, viewer, told):
    controller.opener.open_demo()
    viewer.add_image(np.zeros((40, 30, 20, 8, 8)), name="mine")
    draw(controller, engine)
    viewer.dims.set_current_step((0, 1, 2), (35, 29, 19))
    tick(controller)
    assert (controller.state.playback.sample, controller.state.playback.frame) == (5, STEPS)
    assert told() == []


def test_a_layer_of_the_users_own_with_finer_steps_does_no_harm(controller, engine, viewer):
    controller.opener.open_demo()
    viewer.add_image(np.zeros((60, 20, 8, 8)), scale=(0.1, 0.5, 1, 1), translate=(-2, -1, 0, 0))
    draw(controller, engine)
    controller.state.playback.sample, controller.state.playback.frame = 4, 2
    assert tuple(viewer.dims.point[:2]) == (4, 2)
    viewer.dims.set_point((0, 1), (3.1, 1.0))
    assert (controller.state.playback.sample, controller.state.playback.frame) == (3, 1)
    viewer.dims.set_point((0, 1), (-2, -1))
    assert (controller.state.playback.sample, controller.state.playback.frame) == (0, 0)


def test_noisy_states_and_predicted_masks_take_turns_in_one_layer(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    layer, playback = controller.layers.find(TRAJECTORY), controller.state.playback
    assert layer.metadata["ambiseg"]["quantity"] == PREDICTED
    assert layer.data.max() == 1
    assert layer.data.min() == -1
    playback.sample, playback.frame = 3, 2
    playback.quantity = NOISY
    assert controller.layers.find(TRAJECTORY) is layer
    assert set(np.unique(layer.data)) == {0, 1}
    assert viewer.dims.current_step[:2] == (3, 2)


def test_how_much_of_the_masks_is_new_is_known_for_each_step(controller, engine):
    begin(controller, engine, *range(STEPS + 1))
    changes = controller.state.playback.changes
    assert math.isnan(changes[0])  # before it there was nothing
    masks = engine.masks()

    def shown(index):
        return masks if index == STEPS else np.roll(masks, STEPS - index, axis=1)

    for index in range(1, STEPS + 1):
        ious = []
        for new, old in zip(shown(index), shown(index - 1), strict=True):
            union = (new | old).sum()
            ious.append(1.0 if union == 0 else (new & old).sum() / union)
        assert changes[index] == pytest.approx(1 - np.mean(ious))


def test_a_cancelled_walk_stays_to_be_looked_at_and_ends_where_it_was_cancelled(controller, engine, viewer):
    from napari_ambiseg.messages import Cancelled

    begin(controller, engine, 0, 1, 2)
    controller.drawing.cancel()
    engine.answer(Cancelled(1))
    tick(controller)
    assert viewer.dims.nsteps[:2] == (6, 3)
    viewer.dims.set_current_step(1, 1)
    assert controller.player.text().startswith("step 1/4 ")
    assert not np.isnan(controller.layers.find(TRAJECTORY).data).any()
    frames = controller.player.frames()
    assert frames.steps == (0, 1, 2)
    assert frames.x_t.shape[1] == 3
    controller.state.playback.playing = True
    controller.state.playback.frame = 2
    controller.state.playback.advance()
    assert controller.state.playback.frame == 0


def test_steps_that_were_not_sent_are_not_missed(controller, engine):
    begin(controller, engine, 0, 3, 4)
    assert controller.player.steps == (0, 3, 4)
    assert controller.player.text().startswith("step 4/4 ")
    engine.finish()
    tick(controller)
    assert controller.player.frames().x0_hat.shape[1] == 3
    controller.state.playback.frame = 1
    assert controller.player.text().startswith("step 3/4 ")


def test_a_model_that_draws_in_one_go_leaves_no_sliders(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.generate()
    engine.answer(Loaded(2, "experts", "cpu", 0, ()))
    engine.answer(Finished(2, engine.masks(), 0.1, {"model": "experts", "seed": 0}))
    tick(controller)
    assert controller.player.frames() is None
    assert viewer.dims.nsteps[:2] == (1, 1)
    assert controller.player.text() == text_overlay(viewer).text == ""


def test_playing_goes_on_by_the_clock_and_makes_up_for_slow_ticks(controller, engine, clock):
    begin(controller, engine, *range(STEPS + 1))
    playback = controller.state.playback
    playback.frames_per_second = 10.0
    controller.player.play()
    assert (playback.playing, playback.following, playback.frame) == (True, False, 0)  # it stood at the end
    seen = []
    for _ in range(6):
        clock.now += 0.06
        controller.player.update()
        seen.append(playback.frame)
    assert seen == [0, 1, 1, 2, 3, 3]
    clock.now += 0.25  # two frames are due
    controller.player.update()
    assert playback.frame == 1  # 4 and 0 were passed, again and again
    clock.now += 3600  # the machine slept
    controller.player.update()
    clock.now += 0.06
    controller.player.update()
    assert playback.frame == 2


def test_without_playing_again_and_again_it_stops_at_the_end(controller, engine, clock):
    begin(controller, engine, *range(STEPS + 1))
    playback = controller.state.playback
    playback.loop, playback.frames_per_second = False, 1.0
    controller.player.play()
    for _ in range(STEPS + 3):
        clock.now += 1.0
        controller.player.update()
    assert (playback.frame, playback.playing) == (STEPS, False)
    controller.player.play()
    controller.player.play()
    assert not playback.playing


def test_steps_end_at_the_ends_and_samples_go_round(controller, engine):
    controller.player.step()
    controller.player.next_sample()
    controller.player.play()
    playback = controller.state.playback
    assert (playback.frame, playback.sample, playback.playing) == (0, 0, False)
    begin(controller, engine, *range(STEPS + 1))
    controller.player.play()
    controller.player.step(-1)
    assert (playback.frame, playback.playing, playback.following) == (0, False, False)
    controller.player.step(99)
    assert playback.frame == STEPS
    controller.player.next_sample(-1)
    assert playback.sample == 5
    controller.player.next_sample()
    assert playback.sample == 0


def test_another_case_has_no_sliders_and_a_run_that_was_kept_brings_them_back(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    changes, before = [], camera(viewer).center
    viewer.dims.events.ndim.connect(lambda: changes.append("ndim"))
    controller.opener.next_case()
    assert viewer.dims.nsteps[:2] == (1, 1)  # napari shows no slider for those
    assert np.isnan(controller.layers.find(TRAJECTORY).data).all()
    assert controller.player.text() == text_overlay(viewer).text == ""
    controller.opener.next_case(-1)
    tick(controller)
    assert viewer.dims.current_step[:2] == (0, STEPS)
    assert controller.player.text().startswith("step 4/4 ")
    assert changes.count("ndim") == 0
    assert camera(viewer).center == before


def test_opening_other_data_takes_the_sliders_away(controller, engine, viewer, file):
    controller.opener.open_demo()
    draw(controller, engine)
    controller.opener.open_path(file)
    assert viewer.dims.nsteps[:-2] in ((), (1, 1))


def test_a_trajectory_that_the_user_deleted_comes_back_with_the_next_drawing(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    viewer.layers.remove(controller.layers.find(TRAJECTORY))
    controller.state.playback.frame = 1
    controller.player.next_sample()
    tick(controller)
    draw(controller, engine)
    assert controller.layers.find(TRAJECTORY).data.shape[:2] == (6, STEPS + 1)
