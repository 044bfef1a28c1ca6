"""The section of the blind read: what it says of a ring, which is a small mask far from everybody's."""

import numpy as np
import pytest

from napari_ambiseg._qt.reading_box import ReadingBox
from napari_ambiseg.layers.roles import READING
from training.postprocess import Cleaning

from ..played_engine import draw


@pytest.fixture
def box(controller, qtbot):
    """The section during a blind read of a synthetic case."""
    controller.opener.open_demo()
    controller.reader.toggle()
    box = ReadingBox(controller)
    qtbot.addWidget(box)
    return box


def paint(controller, box, rows, columns, label=1):
    layer = controller.layers.find(READING)
    layer.data_setitem(tuple(axis.ravel() for axis in np.mgrid[rows, columns]), label)
    controller.tick()
    box.refresh()


def area(controller, pixels):
    return f"{pixels * np.prod(controller.case.spacing_mm):.0f} mm²"


def test_a_ring_is_said_twice_and_filled_on_request(controller, box):
    paint(controller, box, slice(50, 70), slice(50, 70))
    assert box.unfilled.isHidden()
    assert box.fill.isHidden()
    paint(controller, box, slice(52, 68), slice(52, 68), label=0)
    words = f"You drew an outline; its inside, {area(controller, 256)}, is not part of it."
    assert box.unfilled.text() == words
    assert not box.fill.isHidden()
    assert f"You painted {area(controller, 144)}." in box.told.text()
    controller.reader.toggle()
    box.refresh()
    assert box.unfilled.text() == f"{words} Area and distances leave it out."
    assert box.fill.isHidden()
    controller.reader.toggle()
    box.refresh()
    box.fill.click()
    box.refresh()
    assert box.unfilled.isHidden()
    assert f"You painted {area(controller, 400)}." in box.told.text()


def test_a_hole_that_the_brush_left_is_not_called_an_outline(controller, box):
    paint(controller, box, slice(50, 70), slice(50, 70))
    paint(controller, box, slice(60, 61), slice(60, 61), label=0)
    pixel = "less than 1 mm²" if np.prod(controller.case.spacing_mm) < 0.5 else "1 mm²"
    assert box.unfilled.text() == f"Holes in what you painted, {pixel}, are not part of it."


def test_the_mask_of_a_case_that_is_not_revealed_is_not_told_of_when_its_read_waits(controller, box):
    paint(controller, box, slice(50, 70), slice(50, 70))
    paint(controller, box, slice(52, 68), slice(52, 68), label=0)
    controller.opener.next_case()
    box.refresh()
    assert box.unfilled.isHidden()


@pytest.mark.parametrize(
    ("cleaning", "name"), [(Cleaning(), "Samples, mean<"), (Cleaning(relative_area=0.5), "Samples, mean, cleaned<")]
)
def test_samples_that_were_compared_after_post_processing_say_so(controller, engine, box, cleaning, name):
    controller.opener.open_case(8)
    draw(controller, engine)
    controller.state.postprocessing.cleaning = cleaning
    controller.tick()
    controller.reader.toggle()
    controller.reader.say_nothing()
    controller.reader.toggle()
    controller.tick()
    box.refresh()
    assert name in box.told.text()
