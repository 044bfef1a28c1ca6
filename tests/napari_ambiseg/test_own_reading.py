"""What is kept of a reader's own outline, and how it is shown once it is revealed."""

import numpy as np

from napari_ambiseg.entries import ComparedWith
from napari_ambiseg.layers.roles import EXPERTS, READING
from training.export.colours import OWN
from training.export.own_reading import ME
from training.postprocess import Cleaning

from .played_engine import draw


def paint(controller, *window):
    """Paint as the user does, in the layer's own array."""
    layer = controller.layers.find(READING)
    data = np.array(layer.data)
    data[window] = 1
    layer.data = data
    controller.tick()


def entry(controller):
    return controller.casebook.of(controller.browser.origin, controller.browser.key)


def test_nothing_there_can_be_taken_back_with_what_it_wiped(controller):
    controller.opener.open_demo()
    controller.reader.toggle()
    paint(controller, slice(20, 30), slice(20, 30))
    controller.reader.say_nothing()
    controller.reader.say_nothing()  # once more wipes nothing more
    assert controller.state.reading.area == 0
    controller.reader.take_back()
    assert not controller.state.reading.nothing
    assert controller.state.reading.area == 100 == controller.layers.find(READING).data.sum()
    controller.reader.take_back()
    assert controller.state.reading.area == 100


def test_a_second_look_leaves_a_blind_reading_what_it_was_until_something_else_is_drawn(controller):
    controller.opener.open_demo()
    controller.state.reading.keep = True
    controller.opener.next_case()
    paint(controller, slice(20, 30), slice(20, 30))
    controller.reader.toggle()
    before = entry(controller)
    assert before.blind
    assert before.revealed
    controller.reader.toggle()
    assert controller.state.reading.distances == ()  # nothing is told meanwhile
    assert controller.state.reading.standing is None
    controller.reader.toggle()
    after = entry(controller)
    assert (after.blind, after.revealed, after.seconds) == (True, before.revealed, before.seconds)
    assert controller.state.reading.distances == before.distances
    assert controller.state.reading.standing is not None
    controller.reader.toggle()
    controller.reader.say_nothing()
    assert (entry(controller).blind, entry(controller).revealed) == (False, "")
    controller.reader.take_back()
    assert (entry(controller).blind, entry(controller).revealed) == (True, before.revealed)
    paint(controller, slice(20, 31), slice(20, 30))
    assert (entry(controller).blind, entry(controller).revealed, entry(controller).distances) == (False, "", ())
    controller.reader.toggle()
    assert not entry(controller).blind
    assert entry(controller).revealed


def test_a_reading_keeps_its_time_the_pixel_s_size_and_what_it_was_compared_with(controller, engine, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("napari_ambiseg.reading_clock.time.monotonic", lambda: clock[0])
    controller.opener.open_demo()
    controller.state.reading.keep = True
    controller.opener.next_case()
    clock[0] += 20
    paint(controller, slice(20, 30), slice(20, 30))
    assert entry(controller).seconds == 20  # a session that is kept now knows it
    clock[0] += 5
    controller.opener.next_case()
    clock[0] += 1000  # on another case
    controller.opener.next_case(-1)
    clock[0] += 7
    controller.reader.toggle()
    clock[0] += 1000  # after the reveal
    assert entry(controller).seconds == 32
    assert entry(controller).spacing_mm == controller.case.spacing_mm
    assert entry(controller).compared is None
    controller.state.postprocessing.cleaning = Cleaning(relative_area=0.5)
    draw(controller, engine)
    controller.tick()
    assert entry(controller).compared == ComparedWith("demo", 6, 0, "--postprocess 0.5")


def test_it_is_known_whether_the_model_s_samples_were_seen_before_the_outline_was_made(controller, engine):
    controller.opener.open_demo()
    controller.reader.toggle()
    paint(controller, slice(20, 30), slice(20, 30))
    controller.reader.toggle()
    assert (entry(controller).after_model, entry(controller).model_seen) == (False, "")
    draw(controller, engine)
    controller.tick()
    assert entry(controller).model_seen
    assert entry(controller).after_model is False
    controller.reader.toggle()
    paint(controller, slice(20, 31), slice(20, 30))
    controller.reader.toggle()
    assert entry(controller).after_model is True


def test_the_revealed_outline_is_thin_among_the_experts_and_has_a_word_of_its_own(controller):
    controller.opener.open_demo()
    controller.opener.open_case(8)
    controller.reader.toggle()
    paint(controller, slice(50, 70), slice(50, 70))
    assert controller.layers.is_visible(READING)
    controller.reader.toggle()
    controller.tick()
    assert not controller.layers.is_visible(READING)
    told = controller.layers.find(EXPERTS).features
    own = told[told["outline"] == ME]
    assert list(own["label"]).count(ME) == 1
    assert set(own["colour"]) == {OWN, "#00000000"}
    assert len(own) > 10  # dashes and dots
    controller.opener.next_case()
    controller.tick()
    assert ME not in set(controller.layers.find(EXPERTS).features["outline"])
    controller.opener.next_case(-1)
    controller.tick()
    assert ME in set(controller.layers.find(EXPERTS).features["outline"])
    controller.reader.toggle()
    controller.tick()
    assert not len(controller.layers.find(EXPERTS).data)
