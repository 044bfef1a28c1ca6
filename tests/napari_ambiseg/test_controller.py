"""The one controller of a viewer: its life, and verbs at the wrong time."""

import gc
import time
import weakref
from operator import attrgetter

import h5py
import pytest
from napari.components import ViewerModel

from napari_ambiseg.controller import Controller, controller_of
from napari_ambiseg.state import CONVERTED

from .played_engine import STEPS


def test_each_viewer_has_one_controller_of_its_own():
    one, other = ViewerModel(), ViewerModel()
    assert controller_of(one) is controller_of(one)
    assert controller_of(one) is not controller_of(other)
    controller_of(one).opener.open_demo()
    assert len(other.layers) == 0
    controller_of(one).close()
    controller_of(other).close()


def test_a_controller_does_not_keep_its_viewer_alive():
    viewer = ViewerModel()
    controller, gone = controller_of(viewer), weakref.ref(viewer)
    controller.opener.open_demo()
    controller.close()
    del viewer
    gc.collect()
    assert gone() is None


def test_after_the_end_nothing_is_drawn_and_no_process_begins(viewer, engine):
    controller = Controller(viewer, engine)
    controller.opener.open_demo()
    layers = list(viewer.layers)
    controller.close()
    controller.generate()
    assert engine.requests == []
    assert list(viewer.layers) == layers


def test_close_ends_the_process_and_lets_go_of_the_file(viewer, engine, file):
    controller = Controller(viewer, engine)
    controller.opener.open_path(file)
    controller.close()
    assert engine.stopped
    with h5py.File(file, "a"):  # which h5py refuses while it is open for reading
        pass
    controller.tick()  # a timer's last beat


@pytest.mark.parametrize("verb", ["opener.next_case", "drawing.cancel", "tick", "close"])
def test_verbs_without_anything_open_do_nothing(controller, told, verb):
    attrgetter(verb)(controller)()
    assert told() == []


def test_devices_arrive_in_the_state(controller):
    controller.engine.ask_devices()
    controller.tick()
    assert {fact.name for fact in controller.state.sampling.devices} >= {"cpu", "cuda:0"}


def test_a_conversion_that_ends_while_samples_are_drawn_does_not_drop_them(controller, engine, slices_folder):
    controller.opener.open_demo()
    converting = controller.state.converting
    controller.opener.open_path(slices_folder)
    controller.converter.start()
    controller.generate()
    engine.load()
    until = time.monotonic() + 30
    while converting.status != CONVERTED and time.monotonic() < until:
        controller.tick()
        time.sleep(0.01)
    assert converting.status == CONVERTED
    assert converting.unopened
    engine.step(*range(STEPS + 1))
    engine.finish()
    controller.tick()
    assert controller.state.browsing.source == "demo cases"
    assert controller.state.disagreement.processed.n == 6
    controller.converter.open_target()
    assert controller.state.browsing.source == converting.target
    assert not converting.unopened


def test_the_engine_is_stopped_and_the_file_closed_though_a_part_fails_at_the_close(controller, engine, monkeypatch):
    stopped = []
    monkeypatch.setattr(engine, "stop", lambda: stopped.append("engine"))
    monkeypatch.setattr(controller.browser, "close", lambda: stopped.append("browser"))

    def fail():
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(controller.autosave, "close", fail)
        with pytest.raises(RuntimeError, match="a bug"):
            controller.close()
    assert stopped == ["engine", "browser"]
