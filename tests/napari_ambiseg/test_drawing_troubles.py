"""What goes wrong while samples are drawn, and what the sampling process takes of the machine."""

import pytest

from napari_ambiseg.messages import Died, Failed, Noted
from napari_ambiseg.state import IDLE
from training.errors import DeviceError

from .played_engine import DEVICES, draw


@pytest.fixture
def started(controller, engine):
    """A drawing of which two states are there."""
    controller.opener.open_demo()
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    return controller


def test_an_error_is_exactly_one_notification(controller, engine, told):
    controller.opener.open_demo()
    controller.generate()
    engine.answer(Failed(1, "no model 'x'; choose one of: demo"))
    controller.tick()
    controller.tick()
    assert told() == ["no model 'x'; choose one of: demo"]
    assert controller.state.sampling.status == IDLE


def test_a_death_is_one_notification_and_the_next_drawing_runs(started, engine, told):
    engine.answer(Died("the sampling process ended by signal 9"))
    started.tick()
    assert told() == ["the sampling process ended by signal 9"]
    assert started.state.sampling.status == IDLE
    assert not started.state.playback.following
    draw(started, engine)
    assert started.state.disagreement.raw.n == 6


@pytest.mark.parametrize(("device", "offered"), [("cuda:0", True), ("cpu", False)])
@pytest.mark.parametrize("end", [Died("cuda:0 gave up"), Failed(1, "cuda:0 has too little memory for one sample")])
def test_where_a_gpu_failed_the_cpu_is_offered_until_the_next_drawing(controller, engine, told, device, offered, end):
    controller.opener.open_demo()
    controller.generate()
    engine.load(device=device)
    engine.answer(end)
    controller.tick()
    assert controller.state.sampling.gave_up == offered
    assert len(told()) == 1
    controller.generate()
    assert not controller.state.sampling.gave_up


def test_that_memory_ran_out_is_one_notification_and_the_newest_line_stays(started, engine, told):
    engine.answer(Noted(1, "going on with 8"), Noted(1, "going on with 4"))
    engine.step(2, 3, 4)
    engine.finish()
    started.tick()
    assert told() == ["going on with 8"]
    assert started.state.sampling.note == "going on with 4"
    assert started.state.disagreement.raw.n == 6
    started.generate()
    assert started.state.sampling.note == ""


def test_a_process_that_cannot_be_started_is_one_notification(controller, engine, told, monkeypatch):
    def start(request):
        raise DeviceError("cannot start the sampling process with python: no such file")

    monkeypatch.setattr(engine, "start", start)
    controller.opener.open_demo()
    controller.generate()
    assert told() == ["cannot start the sampling process with python: no such file"]
    assert controller.state.sampling.status == IDLE


# -- memory, devices -------------------------------------------------------------------------------------------------


def test_unloading_ends_the_process_and_says_how_much_is_free_again(controller, engine):
    controller.opener.open_demo()
    draw(controller, engine)
    assert controller.state.sampling.warm
    controller.drawing.unload()
    assert engine.stopped
    assert controller.state.sampling.message == "the model is unloaded; 512 MB of main memory are free again"
    assert not controller.state.sampling.warm
    assert controller.results.run is not None


def test_the_devices_and_their_memory_are_learnt_and_asked_anew_after_a_drawing(controller, engine):
    controller.engine.ask_devices()
    controller.tick()
    assert controller.state.sampling.devices == DEVICES
    controller.state.sampling.devices = ()
    controller.opener.open_demo()
    draw(controller, engine)
    controller.tick()
    assert controller.state.sampling.devices == DEVICES
