"""A list of cases drawn behind what is shown."""

import math

import numpy as np
import pytest

from napari_ambiseg.backlog import Backlog
from napari_ambiseg.layers.roles import READING, SAMPLES
from napari_ambiseg.messages import Died, Failed, Finished
from napari_ambiseg.state import SAMPLING
from training.metrics import generalized_energy_distance

from .played_engine import PlayedEngine, draw


class Backstage:
    """The second engine: answers each request at once, or as the test says."""

    def __init__(self, answer=None):
        self.played, self.made, self._answer = PlayedEngine(), 0, answer

    def __call__(self):
        self.made += 1
        self.played.stopped = False
        return self

    def start(self, request):
        self.played.start(request)
        if self._answer is not None:
            self.played.answer(self._answer(request))

    def poll(self):
        return self.played.poll()

    def stop(self):
        self.played.stop()


def masks_of(request):
    masks = np.zeros((request.n, *request.case.image.shape), bool)
    masks[:, 50:70, 50:70] = True
    return masks


def finished(request):
    return Finished(1, masks_of(request), 0.1, {"model": request.model}, None)


@pytest.fixture
def backstage(controller):
    """The controller draws its list in here."""

    def make(answer=finished):
        stage = Backstage(answer)
        controller.backlog = Backlog(
            controller.state, controller.browser, controller.runs, controller.shelf.take, stage
        )
        return stage

    return make


def finish_round(controller):
    for _ in range(200):
        controller.tick()
        if not controller.state.queue.total:
            return
    pytest.fail("the round does not end")


def test_each_case_of_the_list_is_drawn_once_and_gets_its_number(controller, backstage):
    stage = backstage()
    controller.opener.open_demo()
    shown = controller.case
    controller.backlog.start([3, 1, 7])
    finish_round(controller)
    requests = stage.played.requests
    assert [request.case.key[-2:] for request in requests] == ["03", "01", "07"]
    assert all(request.n == controller.state.sampling.n_samples for request in requests)
    assert controller.case is shown
    for request, key in zip(requests, ("synthetic 04", "synthetic 02", "synthetic 08"), strict=True):
        entry = controller.casebook.book("demo cases", "synthetic")[key]
        expected = generalized_energy_distance(masks_of(request), request.case.masks, "V")
        assert entry.ged == pytest.approx(expected)
        assert (entry.n, entry.model) == (request.n, "demo")
    assert controller.state.queue.message.startswith("3 cases drawn in")
    assert stage.made == 1
    assert stage.played.stopped


def test_a_case_that_was_drawn_behind_shows_its_samples_at_once(controller, backstage):
    backstage()
    controller.opener.open_demo()
    controller.backlog.start([1])
    finish_round(controller)
    controller.opener.next_case()
    controller.tick()
    assert len(controller.layers.find(SAMPLES).data)
    assert controller.state.disagreement.raw.n == controller.state.sampling.n_samples


def test_the_case_that_is_shown_gets_its_samples_when_they_come(controller, backstage):
    backstage()
    controller.opener.open_demo()
    controller.backlog.start([0])
    finish_round(controller)
    controller.tick()
    assert len(controller.layers.find(SAMPLES).data)


def test_nothing_of_it_shows_in_a_blind_read(controller, backstage):
    backstage()
    controller.opener.open_demo()
    controller.reader.toggle()
    controller.backlog.start([0, 1])
    finish_round(controller)
    controller.tick()
    assert controller.layers.find(SAMPLES) is None or not len(controller.layers.find(SAMPLES).data)
    assert controller.layers.find(READING) is not None


def test_what_is_drawn_already_in_the_same_way_is_passed_over(controller, engine, backstage):
    stage = backstage()
    controller.opener.open_demo()
    draw(controller, engine)
    controller.backlog.start([0, 1])
    finish_round(controller)
    assert [request.case.key[-2:] for request in stage.played.requests] == ["01"]
    controller.backlog.start([0, 1])
    assert controller.state.queue.total == 0
    assert controller.state.queue.message == "all of them are drawn already"
    controller.state.sampling.seed += 1
    controller.backlog.start([0, 1])
    assert controller.state.queue.total == 2


def test_the_next_case_waits_for_what_the_user_draws(controller, backstage):
    stage = backstage()
    controller.opener.open_demo()
    controller.backlog.start([1, 2])
    controller.state.sampling.status = SAMPLING
    for _ in range(5):
        controller.tick()
    assert stage.played.requests == []
    controller.state.sampling.status = "idle"
    finish_round(controller)
    assert len(stage.played.requests) == 2


def test_stopped_it_ends_its_process_and_keeps_what_is_drawn(controller, backstage):
    stage = backstage(None)
    controller.opener.open_demo()
    controller.backlog.start([1, 2, 3])
    controller.tick()
    stage.played.answer(finished(stage.played.requests[0]))
    controller.tick()
    controller.backlog.cancel()
    assert stage.played.stopped
    assert controller.state.queue.message == "stopped after 1 of 3"
    assert controller.casebook.book("demo cases", "synthetic")["synthetic 02"].ged is not None
    stage.played.answer(finished(stage.played.requests[0]))
    controller.tick()
    assert len(stage.played.requests) == 2


def test_another_file_ends_the_round(controller, backstage, file):
    stage = backstage(None)
    controller.opener.open_demo()
    controller.backlog.start([1, 2, 3])
    controller.tick()
    controller.opener.open_path(file)
    controller.tick()
    assert controller.state.queue.total == 0
    assert stage.played.stopped


def test_a_model_that_always_fails_is_told_once_and_ends_the_round(controller, backstage, told):
    stage = backstage(lambda _: Failed(1, "no model 'x'; choose one of: demo"))
    controller.opener.open_demo()
    controller.backlog.start(range(10))
    finish_round(controller)
    assert told() == ["no model 'x'; choose one of: demo"]
    assert len(stage.played.requests) == 3
    assert controller.state.queue.message == "stopped after 3 of 10, 3 failed: no model 'x'; choose one of: demo"


def test_one_failure_does_not_cost_the_others(controller, backstage, told):
    stage = backstage(lambda request: Failed(1, "odd case") if request.case.key.endswith("01") else finished(request))
    controller.opener.open_demo()
    controller.backlog.start([0, 1, 2, 3])
    finish_round(controller)
    assert told() == ["odd case"]
    assert len(stage.played.requests) == 4
    assert len(controller.runs) == 3
    assert controller.state.queue.failed == 1
    assert controller.state.queue.message == "3 drawn, 1 failed: odd case"


def test_every_failure_is_counted_and_the_first_is_told(controller, backstage, told):
    backstage(lambda request: finished(request) if request.case.key[-1] in "14" else Failed(1, request.case.key))
    controller.opener.open_demo()
    messages = []
    controller.state.queue.events.message.connect(messages.append)
    controller.backlog.start([0, 1, 2, 3, 4, 5])
    finish_round(controller)
    assert len(told()) == 1
    assert messages[-1] == f"2 drawn, 4 failed: {told()[0]}"
    assert messages[4].startswith("2 of 6 drawn, 3 failed, about")
    controller.backlog.start([1, 4, 7])  # the next round counts anew
    assert (controller.state.queue.done, controller.state.queue.failed) == (0, 0)


def test_a_case_that_cannot_be_read_is_a_failure_like_any_other(controller, backstage, viewer, told):
    backstage()
    volume = viewer.add_image(np.random.default_rng(0).random((3, 20, 20)), name="scan")
    viewer.layers.selection = {volume}
    controller.opener.use_layers()
    volume.data[1, 0, 0] = np.nan
    controller.backlog.start([0, 1, 2])
    finish_round(controller)
    assert "scan[1]: 1 of 400 pixels are NaN" in told()[-1]
    assert controller.state.queue.message == f"2 drawn, 1 failed: {told()[-1]}"


def test_a_round_is_drawn_as_it_was_begun_whatever_is_set_meanwhile(controller, backstage, viewer):
    stage = backstage()
    volume = viewer.add_image(np.random.default_rng(0).random((3, 200, 200)), name="scan")
    viewer.layers.selection = {volume}
    controller.opener.use_layers()
    controller.backlog.start([0, 1, 2])
    controller.tick()
    sampling = controller.state.sampling
    sampling.model, sampling.seed, sampling.n_samples = "experts", 7, 2
    controller.state.placing.size = 64
    finish_round(controller)
    wishes = [(one.model, one.seed, one.n, one.case.image.shape) for one in stage.played.requests]
    assert wishes == [("demo", 0, 6, (128, 128))] * 3
    assert {(run.model, run.seed, run.field.shape) for run in controller.runs.all()} == {("demo", 0, (128, 128))}


def test_a_process_that_dies_is_one_message(controller, backstage, told):
    backstage(lambda _: Died("the sampling process was killed"))
    controller.opener.open_demo()
    controller.backlog.start([1, 2])
    finish_round(controller)
    assert told() == ["the sampling process was killed"]


def test_without_a_case_there_is_nothing_to_draw(controller, backstage, told):
    backstage()
    controller.backlog.start([])
    assert told() == ["open a case first: the demo cases, or a file of annotated slices"]


def test_the_outlook_leaves_out_what_is_drawn_and_knows_when_nobody_knows(controller, engine, backstage):
    backstage()
    controller.opener.open_demo()
    controller.state.sampling.seconds = 2.0
    assert controller.backlog.outlook(range(24)) == (24, 48.0)
    draw(controller, engine)
    controller.state.sampling.seconds = 2.0
    assert controller.backlog.outlook(range(24)) == (23, 46.0)
    controller.state.sampling.seed = 1  # other samples
    controller.state.sampling.seconds = math.nan
    count, seconds = controller.backlog.outlook(range(24))
    assert count == 24
    assert math.isnan(seconds)


def test_what_is_left_is_said_in_words(controller, engine, backstage, monkeypatch):
    backstage()
    controller.opener.open_demo()
    controller.backlog.start(range(11))
    now = controller.backlog._started + 324
    monkeypatch.setattr("napari_ambiseg.backlog.time.monotonic", lambda: now)
    controller.backlog.update()
    controller.backlog.update()
    assert controller.state.queue.message == "1 of 11 drawn, about 54 min left"
