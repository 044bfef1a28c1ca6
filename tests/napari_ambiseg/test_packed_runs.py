"""What a session packs of the drawings once, and what it lets go of."""

import gc
from dataclasses import replace
from weakref import ref

from .played_engine import draw


def drawing(controller, engine, file):
    """The drawing of the first case of a file; no fixture, which would hold it."""
    controller.opener.open_path(file)
    draw(controller, engine)
    (run,) = controller.runs.all()
    return run


def test_a_walk_that_is_no_longer_kept_is_not_held_for_the_session(controller, engine, file):
    drawn = drawing(controller, engine, file)
    controller.session.record()
    walk = ref(drawn.frames.x_t)
    controller.runs.put(replace(drawn, frames=None))
    controller.opener.next_case()
    controller.tick()
    del drawn
    gc.collect()
    assert walk() is None


def test_a_drawing_is_packed_once_even_when_its_walk_goes(controller, engine, file):
    drawn = drawing(controller, engine, file)
    (first,) = controller.session.record().runs
    controller.runs.put(replace(drawn, frames=None))
    (second,) = controller.session.record().runs
    assert second is first


def test_another_drawing_of_the_case_is_packed_anew(controller, engine, file):
    drawn = drawing(controller, engine, file)
    (first,) = controller.session.record().runs
    controller.runs.put(replace(drawn, masks=~drawn.masks))
    earlier, second = controller.session.record().runs
    assert earlier.masks is first.masks
    assert second.masks != first.masks
