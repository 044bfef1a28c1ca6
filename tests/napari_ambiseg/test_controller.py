"""What happens in a viewer, with a sampling process that the test plays: the verbs, and what a user does between."""

import gc
import weakref

import h5py
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.notifications import notification_manager

from napari_ambiseg._compat import text_overlay
from napari_ambiseg.controller import Controller, controller_of
from napari_ambiseg.layers import EXPERT, IMAGE, SAMPLES, TRAJECTORY, VARIANCE, VOTES
from napari_ambiseg.messages import Cancelled, Devices, Died, Failed, Finished, Loaded, Stepped
from napari_ambiseg.readers import read_slices
from napari_ambiseg.sample_data import DemoSet, PhantomCases, demo_cases
from napari_ambiseg.sources import HDF5
from napari_ambiseg.state import CANCELLING, IDLE, LOADING, NOISY, SAMPLING
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.errors import DataFormatError, DeviceError
from training.metrics import generalized_energy_distance, pixel_variance
from training.postprocess import relative_area

STEPS = 4


class PlayedEngine:
    """An engine whose process is played by the test; drops stale answers like the real one."""

    def __init__(self):
        self.requests, self.cancelled, self.stopped, self._answers = [], [], False, []

    def start(self, request):
        self.requests.append(request)

    def cancel(self):
        self.cancelled.append(len(self.requests))

    def ask_devices(self):
        self._answers.append(Devices(("cpu", "cuda:0")))

    def stop(self):
        self.stopped = True

    def poll(self):
        answers, self._answers = self._answers, []
        return answers

    def answer(self, *answers):
        self._answers += answers

    def load(self, n_steps=STEPS):
        self.answer(Loaded(len(self.requests), "demo", "cpu", n_steps, tuple(range(n_steps + 1))))

    def step(self, *indices):
        masks = self.masks()
        for index in indices:
            share = index / STEPS
            x0_hat = np.where(masks, share, -share)
            shown = masks if index == STEPS else np.roll(masks, STEPS - index, axis=1)
            self.answer(
                Stepped(
                    len(self.requests), index, 1 - share, masks.astype(np.float16), x0_hat.astype(np.float16), shown
                )
            )

    def finish(self):
        self.answer(Finished(len(self.requests), self.masks(), 1.0, {"model": "demo", "seed": self.requests[-1].seed}))

    def masks(self):
        """Squares of growing size, the first one empty: (N, H, W), as the last request wants them."""
        wish = self.requests[-1]
        masks = np.zeros((wish.n, *wish.case.image.shape), bool)
        for i, mask in enumerate(masks):
            mask[10 : 10 + 2 * i, 10 : 10 + 2 * i] = True
        return masks


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def engine():
    return PlayedEngine()


@pytest.fixture
def controller(viewer, engine):
    controller = Controller(viewer, engine)
    controller.state.sampling.n_samples = 6
    yield controller
    controller.close()


@pytest.fixture
def told():
    """The notifications of this test."""
    before = len(notification_manager.records)
    return lambda: [str(record.message) for record in notification_manager.records[before:]]


@pytest.fixture
def file(tmp_path):
    """Two splits of synthetic slices, 8 and 3."""
    path = tmp_path / "cases.hdf5"
    splits = {"train": [phantom_case(i, 1, 64).slice for i in range(8)]}
    write_dataset(path, splits | {"val": [phantom_case(i, 2, 64).slice for i in range(3)]}, {})
    return path


def draw(controller, engine):
    """A whole drawing."""
    controller.generate()
    engine.load()
    engine.step(*range(STEPS + 1))
    engine.finish()
    controller.tick()


# -- cases ---------------------------------------------------------------------------------------------------------


def test_the_demo_shows_a_case_and_its_numbers_before_any_model(controller, engine):
    controller.open_demo()
    state, case = controller.state, controller.case
    assert (state.browsing.source, state.browsing.index, state.browsing.key) == ("demo cases", 0, "synthetic 01")
    assert state.disagreement.experts.n_found == case.n_found
    assert np.array_equal(controller.layers.find(IMAGE).data, case.image)
    assert controller.layers.find(EXPERT, case.n_experts) is not None
    assert engine.requests == []


def test_a_file_opens_at_the_first_case_of_its_first_split(controller, file):
    controller.open_file(file)
    browsing = controller.state.browsing
    assert (browsing.splits, browsing.split, browsing.index) == (("train", "val"), "train", 0)
    assert np.array_equal(controller.layers.find(IMAGE).data, phantom_case(0, 1, 64).slice.image)
    controller.open_split("val")
    assert (browsing.split, browsing.index) == ("val", 0)
    assert np.array_equal(controller.layers.find(IMAGE).data, phantom_case(0, 2, 64).slice.image)


def test_cases_end_at_the_ends_of_the_split(controller, file):
    controller.open_file(file)
    indices = []
    for by in (-1, 1, 3, 100, 1, -2):
        controller.next_case(by)
        indices.append(controller.state.browsing.index)
    assert indices == [0, 1, 4, 7, 7, 5]
    controller.open_case(-4)
    assert controller.state.browsing.index == 0


def test_the_number_of_layers_is_the_same_after_twenty_cases(controller, engine, viewer):
    controller.open_demo()
    draw(controller, engine)
    before = list(viewer.layers)
    for _ in range(20):
        controller.next_case()
        draw(controller, engine)
    assert list(viewer.layers) == before


def test_the_camera_is_set_once_for_each_source(controller, viewer, file):
    controller.open_demo()
    camera = getattr(viewer, "scene", viewer).camera  # it moved in napari 0.9
    camera.zoom, camera.center = 7.0, (0, 3, 4)
    controller.next_case()
    assert (camera.zoom, camera.center) == (7.0, (0, 3, 4))
    controller.open_file(file)
    assert camera.center != (0, 3, 4)


def test_the_case_table_fills_a_little_with_each_tick(controller):
    controller.open_demo()
    surveyed = []
    for _ in range(200):
        controller.tick()
        surveyed.append(controller.state.browsing.surveyed)
        if controller.survey.done:
            break
    assert surveyed == sorted(surveyed)
    assert surveyed[-1] == len(controller.survey) == 24


@pytest.mark.parametrize("verb", ["next_case", "cancel", "tick", "close"])
def test_verbs_without_anything_open_do_nothing(controller, told, verb):
    getattr(controller, verb)()
    assert told() == []


def test_a_bad_file_is_one_notification_and_the_open_case_stays(controller, told, tmp_path):
    controller.open_demo()
    bad = tmp_path / "bad.hdf5"
    bad.write_text("no HDF5")
    controller.open_file(bad)
    controller.open_file(tmp_path / "absent.hdf5")
    first, second = told()
    assert "bad.hdf5" in first
    assert "absent.hdf5" in second
    assert all("\n" not in text for text in told())
    assert controller.state.browsing.source == "demo cases"
    controller.next_case()
    assert controller.state.browsing.index == 1


def test_an_unknown_split_is_one_notification(controller, told, file):
    controller.open_file(file)
    controller.open_split("test")
    assert told() == ["no split 'test'; choose one of: train, val"]


class Torn(PhantomCases):
    """The demo cases, of which some cannot be read."""

    torn = ()

    def __getitem__(self, index):
        if index in self.torn:
            raise DataFormatError(f"cases.hdf5: 'images'[{index}] cannot be read")
        return super().__getitem__(index)


@pytest.fixture
def torn_file(monkeypatch):
    """A file that opens well and has such cases."""

    class TornSet(DemoSet):
        splits = {"train": Torn()}  # noqa: RUF012 - as the protocol has it

    monkeypatch.setattr("napari_ambiseg.controller.layout_of", lambda _: HDF5)
    monkeypatch.setattr("napari_ambiseg.browser.open_isolated", lambda _: TornSet())
    return lambda *indices: monkeypatch.setattr(Torn, "torn", indices)


def test_a_case_that_cannot_be_read_is_told_once_and_passed_by(controller, told, torn_file):
    torn_file(1)
    controller.open_file("cases.hdf5")
    image = controller.layers.find(IMAGE).data
    controller.next_case()
    assert told() == ["cases.hdf5: 'images'[1] cannot be read"]
    assert controller.state.browsing.index == 0
    assert controller.layers.find(IMAGE).data is image
    controller.next_case()
    assert controller.state.browsing.index == 2
    controller.next_case(-2)
    assert controller.state.browsing.index == 0
    assert len(told()) == 1


def test_where_the_first_case_cannot_be_read_nothing_is_shown(controller, viewer, told, torn_file):
    """Rather than a case of the file that was open before."""
    torn_file(0)
    controller.open_demo()
    controller.open_file("cases.hdf5")
    assert len(told()) == 1
    assert controller.case is None
    assert len(viewer.layers) == 0
    assert controller.state.browsing.index == -1
    assert controller.state.disagreement.experts is None
    controller.next_case()
    assert controller.state.browsing.index == 1


# -- samples -------------------------------------------------------------------------------------------------------


def test_generate_without_a_case_says_what_to_do(controller, engine, told):
    controller.generate()
    assert engine.requests == []
    (text,) = told()
    assert text.startswith("open a case first")


def test_a_drawing_from_request_to_numbers(controller, engine):
    controller.open_demo()
    sampling, playback, disagreement = (
        controller.state.sampling,
        controller.state.playback,
        controller.state.disagreement,
    )
    sampling.seed, sampling.steps, sampling.sampler, sampling.device = 3, STEPS, "ddpm", "cpu"
    controller.generate()
    wish = engine.requests[-1]
    assert (wish.model, wish.n, wish.seed, wish.steps, wish.sampler) == ("demo", 6, 3, STEPS, "ddpm")
    assert wish.case is controller.case
    assert sampling.status == LOADING

    engine.load()
    controller.tick()
    assert (sampling.status, sampling.progress, playback.n_frames) == (SAMPLING, 0, STEPS + 1)

    engine.step(0, 1)
    controller.tick()
    assert (sampling.progress, playback.times, playback.frame) == (0.5, (1.0, 0.75), 1)
    assert disagreement.raw.ged_v == pytest.approx(
        generalized_energy_distance(np.roll(engine.masks(), STEPS - 1, axis=1), controller.case.masks)
    )

    engine.step(2, 3, 4)
    engine.finish()
    controller.tick()
    masks, experts = engine.masks(), controller.case.masks
    assert (sampling.status, sampling.progress) == (IDLE, 1)
    assert sampling.provenance == "model demo, seed 3"
    assert [t for t, _ in disagreement.curve] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert disagreement.curve[-1][1] == disagreement.raw.ged_v
    assert disagreement.raw.ged_v == pytest.approx(generalized_energy_distance(masks, experts))
    assert disagreement.raw.ged_u == pytest.approx(generalized_energy_distance(masks, experts, "U"))
    assert (disagreement.raw.n, disagreement.raw.n_empty) == (6, 1)
    assert np.array_equal(controller.layers.find(VARIANCE).data, pixel_variance(masks))
    assert controller.layers.find(SAMPLES).nshapes == 5
    assert not playback.following


def test_frames_that_have_not_come_are_transparent(controller, engine):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0)
    controller.tick()
    frames = controller.layers.find(TRAJECTORY).data
    assert frames.shape == (6, STEPS + 1, *controller.case.image.shape)
    assert np.isfinite(frames[:, 0]).all()
    assert np.isnan(frames[:, 1:]).all()


def test_the_other_quantity_is_shown_from_the_same_frames(controller, engine):
    controller.open_demo()
    draw(controller, engine)
    controller.state.playback.quantity = NOISY
    shown = controller.layers.find(TRAJECTORY).data
    assert np.array_equal(shown[:, 2], engine.masks().astype(np.float16))


def test_a_large_drawing_keeps_fewer_frames(controller, engine):
    controller.open_demo()
    controller.state.sampling.n_samples = 1
    controller.generate()
    assert engine.requests[-1].max_frames == 64
    controller.state.sampling.n_samples = 256
    controller.generate()
    size = 4 * 256 * controller.case.image.size
    assert engine.requests[-1].max_frames == 2**28 // size < 64


def test_what_is_asked_for_next_does_not_disturb_what_is_being_drawn(controller, engine):
    controller.open_demo()
    controller.generate()
    controller.state.sampling.n_samples = 50
    engine.load()
    engine.step(*range(STEPS + 1))
    engine.finish()
    controller.tick()
    assert controller.layers.find(TRAJECTORY).data.shape[0] == controller.state.playback.n_samples == 6
    assert controller.frame_text().endswith("of 6")


def test_a_model_without_steps_has_samples_and_no_trajectory(controller, engine):
    controller.open_demo()
    controller.generate()
    engine.answer(Loaded(1, "empty", "cpu", 0, ()))
    engine.finish()
    controller.tick()
    assert controller.state.disagreement.processed.n == 6
    assert controller.layers.find(TRAJECTORY) is None
    assert controller.layers.find(SAMPLES) is not None
    assert controller.frame_text() == ""


@pytest.mark.parametrize("end", [Failed(2, "no memory"), Cancelled(2), Died("gone")])
def test_where_no_step_came_there_is_nothing_to_scrub_through(controller, engine, viewer, end):
    controller.open_demo()
    draw(controller, engine)
    controller.generate()
    assert viewer.dims.nsteps[:2] == (6, STEPS + 1)  # the sliders wait for the next trajectory
    engine.answer(end)
    controller.tick()
    assert viewer.dims.nsteps[:2] == (1, 1)


def test_cancel_keeps_what_came_so_far(controller, engine):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    controller.cancel()
    assert engine.cancelled[-1] == 1
    assert controller.state.sampling.status == CANCELLING
    engine.step(2)
    engine.answer(Cancelled(1))
    controller.tick()
    assert controller.state.sampling.status == IDLE
    assert len(controller.state.playback.times) == 3
    assert np.isfinite(controller.layers.find(TRAJECTORY).data[:, :3]).all()
    controller.state.playback.frame = 1
    assert controller.frame_text().startswith("step 1 of 4")


def test_a_second_generate_begins_anew(controller, engine):
    controller.open_demo()
    draw(controller, engine)
    controller.state.sampling.seed = 8
    controller.generate()
    state = controller.state
    assert engine.requests[-1].seed == 8
    assert (state.playback.times, state.disagreement.raw, state.disagreement.curve) == ((), None, ())
    assert controller.layers.find(SAMPLES).nshapes == 0
    engine.load()
    engine.step(0)
    controller.tick()
    assert state.playback.times == (1.0,)


def test_going_to_another_case_drops_the_drawing_under_way(controller, engine, told):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    controller.next_case()
    assert engine.cancelled[-1] == 1
    engine.step(2)
    engine.answer(Cancelled(1))
    engine.finish()
    controller.tick()
    state = controller.state
    assert (state.sampling.status, state.playback.times, state.disagreement.raw) == (IDLE, (), None)
    assert not text_overlay(controller.viewer).visible
    assert told() == []
    draw(controller, engine)
    assert state.disagreement.raw.n == 6


@pytest.mark.parametrize("role", [IMAGE, VOTES, TRAJECTORY, EXPERT])
@pytest.mark.parametrize("what", ["delete", "rename", "hide"])
def test_whatever_happens_to_a_layer_while_drawing_the_drawing_goes_on(controller, engine, viewer, told, role, what):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    layer = controller.layers.find(role, 1 if role == EXPERT else 0)
    if what == "delete":
        viewer.layers.remove(layer)
    elif what == "rename":
        layer.name = "samples"
    else:
        layer.visible = False
    engine.step(2, 3, 4)
    engine.finish()
    controller.tick()
    assert controller.state.disagreement.processed.n == 6
    controller.next_case()
    draw(controller, engine)
    layers = controller.layers
    assert all(layers.find(role) is not None for role in (IMAGE, VOTES, TRAJECTORY, SAMPLES, VARIANCE))
    assert layers.find(EXPERT, 1) is not None
    if what == "hide":
        assert not layer.visible
    assert told() == []


def test_all_layers_at_once_may_be_deleted(controller, engine, viewer, told):
    controller.open_demo()
    draw(controller, engine)
    viewer.layers.clear()
    controller.state.playback.frame = 2
    controller.state.postprocessing.relative_area = 0.5
    controller.tick()
    controller.next_case()
    draw(controller, engine)
    assert len(viewer.layers) == 4 + 5
    assert told() == []


def test_an_error_is_exactly_one_notification(controller, engine, told):
    controller.open_demo()
    controller.generate()
    engine.answer(Failed(1, "no model 'x'; choose one of: demo"))
    controller.tick()
    controller.tick()
    assert told() == ["no model 'x'; choose one of: demo"]
    assert controller.state.sampling.status == IDLE


def test_a_death_is_one_notification_and_the_next_drawing_runs(controller, engine, told):
    controller.open_demo()
    controller.generate()
    engine.load()
    engine.step(0)
    engine.answer(Died("the sampling process ended by signal 9"))
    controller.tick()
    assert told() == ["the sampling process ended by signal 9"]
    assert controller.state.sampling.status == IDLE
    assert not controller.state.playback.following
    draw(controller, engine)
    assert controller.state.disagreement.raw.n == 6


def test_a_process_that_cannot_be_started_is_one_notification(controller, engine, told, monkeypatch):
    def start(request):
        raise DeviceError("cannot start the sampling process with python: no such file")

    monkeypatch.setattr(engine, "start", start)
    controller.open_demo()
    controller.generate()
    assert told() == ["cannot start the sampling process with python: no such file"]
    assert controller.state.sampling.status == IDLE


def test_devices_arrive_in_the_state(controller):
    controller.ask_devices()
    controller.tick()
    assert controller.state.sampling.devices == ("auto", "cpu", "cuda:0")


# -- post-processing, maps -----------------------------------------------------------------------------------------


def test_the_relative_area_changes_samples_and_numbers_and_back(controller, engine):
    controller.open_demo()
    draw(controller, engine)
    masks, experts = engine.masks(), controller.case.masks
    disagreement = controller.state.disagreement
    for r in (0.5, 1.0, 0.0):
        controller.state.postprocessing.relative_area = r
        controller.tick()
        kept = relative_area(masks, r)
        assert controller.layers.find(SAMPLES).nshapes == kept.any(axis=(1, 2)).sum()
        assert np.array_equal(controller.layers.find(VARIANCE).data, pixel_variance(kept))
        assert disagreement.processed.ged_v == pytest.approx(generalized_energy_distance(kept, experts))
        assert disagreement.raw.ged_v == pytest.approx(generalized_energy_distance(masks, experts))
    assert disagreement.processed.n_empty == disagreement.raw.n_empty == 1


def test_many_moves_of_the_slider_between_two_ticks_are_one_redrawing(controller, engine, monkeypatch):
    controller.open_demo()
    draw(controller, engine)
    shown = []
    monkeypatch.setattr(controller.layers, "show_samples", lambda masks, *_: shown.append(len(masks)))
    for r in np.linspace(0, 0.9, 30):
        controller.state.postprocessing.relative_area = float(r)
    controller.tick()
    controller.tick()
    assert shown == [6]


def test_the_variance_switch_and_the_layers_eye_are_one_thing(controller, engine, viewer):
    controller.open_demo()
    disagreement = controller.state.disagreement
    disagreement.show_variance = True  # wished for before there is any
    controller.tick()
    assert disagreement.show_variance
    draw(controller, engine)
    layer = controller.layers.find(VARIANCE)
    assert layer.visible
    layer.visible = False
    controller.tick()
    assert not disagreement.show_variance
    disagreement.show_variance = True
    assert layer.visible
    viewer.layers.remove(layer)
    controller.tick()
    assert not disagreement.show_variance
    disagreement.show_variance = True
    controller.tick()
    assert controller.layers.find(VARIANCE).visible
    assert disagreement.show_variance


def test_the_votes_switch_brings_a_deleted_layer_back(controller, viewer):
    controller.open_demo()
    viewer.layers.remove(controller.layers.find(VOTES))
    controller.tick()
    controller.state.disagreement.show_votes = True
    controller.tick()
    assert controller.layers.find(VOTES).visible
    assert controller.state.disagreement.show_votes


def test_what_is_visible_stays_so_from_case_to_case(controller, engine):
    controller.open_demo()
    draw(controller, engine)
    controller.state.disagreement.show_variance = True
    controller.layers.find(SAMPLES).visible = False
    controller.next_case()
    draw(controller, engine)
    assert controller.layers.find(VARIANCE).visible
    assert not controller.layers.find(SAMPLES).visible


# -- scrubbing -----------------------------------------------------------------------------------------------------


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


# -- napari's own doors --------------------------------------------------------------------------------------------


def add(viewer, layers):
    for data in layers:
        viewer.add_layer(Layer.create(*data))


def test_a_file_opened_by_naparis_menu_is_taken_over(controller, viewer, file):
    add(viewer, read_slices(str(file))(str(file)))
    before = list(viewer.layers)
    controller.tick()
    browsing = controller.state.browsing
    assert (browsing.source, browsing.splits, browsing.index) == (str(file), ("train", "val"), 0)
    assert list(viewer.layers) == before
    controller.next_case()
    assert list(viewer.layers) == before


def test_a_second_file_opened_by_naparis_menu_fills_the_layers_of_the_first(controller, engine, viewer, file):
    controller.open_demo()
    draw(controller, engine)
    before = list(viewer.layers)
    add(viewer, read_slices(str(file))(str(file)))
    controller.tick()
    assert list(viewer.layers) == before
    assert controller.state.browsing.source == str(file)
    assert controller.layers.find(IMAGE).data.shape == (64, 64)
    assert controller.state.disagreement.raw is None


def test_sample_data_opened_before_the_docks_are_taken_over_by_them(viewer):
    add(viewer, demo_cases())
    late = Controller(viewer, PlayedEngine())
    late.tick()
    assert late.state.browsing.source == "demo cases"
    assert late.case is not None
    late.close()


def test_a_duplicated_layer_is_the_users_own(controller, engine, viewer):
    controller.open_demo()
    draw(controller, engine)
    data, options, kind = controller.layers.find(IMAGE).as_layer_data_tuple()
    copy = viewer.add_layer(Layer.create(data.copy(), {**options, "name": "image copy"}, kind))
    controller.tick()
    assert controller.state.disagreement.raw is not None  # nothing was opened anew
    controller.next_case()
    assert np.array_equal(copy.data, data)


def test_a_file_that_has_gone_meanwhile_is_one_notification(controller, viewer, file, told):
    layers = read_slices(str(file))(str(file))
    file.unlink()
    add(viewer, layers)
    controller.tick()
    controller.tick()
    (text,) = told()
    assert "no such file" in text


# -- lives ---------------------------------------------------------------------------------------------------------


def test_each_viewer_has_one_controller_of_its_own():
    one, other = ViewerModel(), ViewerModel()
    assert controller_of(one) is controller_of(one)
    assert controller_of(one) is not controller_of(other)
    controller_of(one).open_demo()
    assert len(other.layers) == 0
    controller_of(one).close()
    controller_of(other).close()


def test_a_controller_does_not_keep_its_viewer_alive():
    viewer = ViewerModel()
    controller, gone = controller_of(viewer), weakref.ref(viewer)
    controller.open_demo()
    controller.close()
    del viewer
    gc.collect()
    assert gone() is None


def test_close_ends_the_process_and_lets_go_of_the_file(viewer, engine, file):
    controller = Controller(viewer, engine)
    controller.open_file(file)
    controller.close()
    assert engine.stopped
    with h5py.File(file, "a"):  # which h5py refuses while it is open for reading
        pass
    controller.tick()  # a timer's last beat
