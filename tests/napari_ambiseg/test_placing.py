"""The field on a large slice: where it is by itself, placed by click, box and arrow, and drawn where it must be."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_ambiseg._compat import camera
from napari_ambiseg.field_remarks import cut_off, remarks, where
from napari_ambiseg.layers.book import role_of
from napari_ambiseg.layers.field import field_layer
from napari_ambiseg.layers.place import Place
from napari_ambiseg.layers.roles import FIELD, READING
from napari_ambiseg.placing import field_of
from training.data.field import Field
from training.records import AnnotatedSlice

from .played_engine import draw

SHAPE = (300, 260)


def slice_of(*marked, shape=SHAPE, image=None):
    """A slice on which each expert marked the pixels from the first to the second corner."""
    masks = np.zeros((len(marked), *shape), bool)
    for mask, (top, left, bottom, right) in zip(masks, marked, strict=True):
        mask[top:bottom, left:right] = True
    image = np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape) if image is None else image
    return AnnotatedSlice(image, masks, "p", "case", (0.5, 2.0))


class OneCase:
    """Data of one case."""

    def __init__(self, case):
        self.case, self.keys, self.patients, self.splits = case, (case.key,), (case.patient,), {"only": self}

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.case

    def close(self):
        pass


def show(controller, case):
    controller.browser.open(OneCase(case), "test")
    controller.tick()


def drag(controller, *pixels):
    """Press at the first pixel (row, column), move over the others, release at the last."""
    viewer, place = controller.viewer, controller.browser.place
    event = SimpleNamespace(type="mouse_press", button=1, modifiers=(), position=place.world(pixels[0]), handled=False)
    for callback in viewer.mouse_drag_callbacks:
        steps = iter(callback(viewer, event) or ())
        event.type = "mouse_press"
        if next(steps, "done") == "done":
            continue
        for pixel in pixels[1:]:
            event.type, event.position = "mouse_move", place.world(pixel)
            next(steps, None)
        event.type = "mouse_release"
        next(steps, None)


def test_a_small_slice_is_its_own_field_and_no_rectangle_is_drawn(controller):
    show(controller, slice_of((10, 10, 20, 20), shape=(128, 100)))
    assert controller.state.placing.field == Field(0, 0, 128, 100)
    assert controller.layers.find(FIELD) is None


def test_by_itself_the_field_lies_about_what_the_experts_marked(controller):
    show(controller, slice_of((100, 60, 110, 70), (120, 90, 131, 100)))
    assert controller.state.placing.field == Field(52, 16, 128, 128)  # rows 100 to 130, columns 60 to 99


def test_where_nobody_marked_anything_it_lies_in_the_middle():
    assert field_of(slice_of((0, 0, 0, 0)), 128) == Field(86, 66, 128, 128)


def test_a_lesion_at_the_border_gets_a_field_that_lies_in_the_slice():
    assert field_of(slice_of((298, 0, 300, 3)), 128) == Field(172, 0, 128, 128)


def test_the_rectangle_runs_along_the_outer_edges_of_the_pixels():
    (path,), options, kind = field_layer(Field(2, 3, 4, 5), (20, 30), Place())
    assert kind == "shapes"
    assert (path.min(axis=0).tolist(), path.max(axis=0).tolist()) == ([1.5, 2.5], [5.5, 7.5])
    assert np.array_equal(path[0], path[-1])
    assert options["features"]["label"] == ["field 4 x 5"]


def test_a_large_slice_shows_its_field_at_its_place_in_the_world(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    layer = controller.layers.find(FIELD)
    corner = layer.data_to_world(layer.data[0][0])
    assert tuple(corner) == pytest.approx(controller.browser.place.world((104.5 - 64 + 0.5 - 0.5, 64.5 - 64)))
    assert layer.locked


def test_a_click_places_the_middle_of_the_field(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    placing = controller.state.placing
    placing.choosing = True
    drag(controller, (200.2, 150.4))
    assert placing.field == Field(137, 87, 128, 128)  # rows 137 to 264: 200.2 is nearest to their middle, 200.5
    assert not placing.choosing
    assert placing.by_hand


@pytest.mark.parametrize(
    ("pixel", "field"),
    [((-50, 20), Field(0, 0, 128, 128)), ((500, 500), Field(172, 132, 128, 128)), ((0, 259), Field(0, 132, 128, 128))],
)
def test_a_click_at_or_beyond_the_border_keeps_the_field_in_the_slice(controller, pixel, field):
    show(controller, slice_of((100, 60, 110, 70)))
    controller.state.placing.choosing = True
    drag(controller, pixel)
    assert controller.state.placing.field == field


def test_a_drag_makes_a_box_of_all_pixels_it_touches_whichever_way_it_goes(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    for pixels in [((20.4, 30), (50, 60), (119.6, 92.3)), ((119.6, 92.3), (20.4, 30))]:
        controller.state.placing.choosing = True
        drag(controller, *pixels)
        assert controller.state.placing.field == Field(20, 30, 101, 63)


def test_a_box_that_leaves_the_slice_is_cut_at_its_border(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    controller.state.placing.choosing = True
    drag(controller, (250, 200), (900, 900))
    assert controller.state.placing.field == Field(250, 200, 50, 60)


def test_a_drag_of_some_pixels_is_a_click(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    controller.state.placing.choosing = True
    drag(controller, (150, 100), (154, 180))
    assert controller.state.placing.field.shape == (128, 128)


def test_a_click_places_nothing_unless_it_was_asked_for(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    before = controller.state.placing.field
    drag(controller, (10, 10))
    drag(controller, (10, 10), (100, 100))
    assert controller.state.placing.field == before


def test_while_it_is_placed_the_mouse_neither_moves_the_image_nor_paints(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    labels = controller.viewer.add_labels(np.zeros(SHAPE, int))
    labels.mode = "paint"
    controller.state.placing.choosing = True
    assert labels.mode == "pan_zoom"
    assert not camera(controller.viewer).mouse_pan
    controller.state.placing.choosing = False
    assert labels.mode == "paint"
    controller.viewer.layers.selection.active = controller.layers.find("image")
    assert camera(controller.viewer).mouse_pan


def test_a_layer_that_is_deleted_while_the_field_is_placed_is_no_harm(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    labels = controller.viewer.add_labels(np.zeros(SHAPE, int))
    labels.mode = "paint"
    controller.state.placing.choosing = True
    controller.viewer.layers.remove(labels)
    drag(controller, (150, 100))
    assert not controller.state.placing.choosing


def test_arrows_move_the_field_as_far_as_the_slice_reaches(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    controller.placer.move(8, -3)
    assert controller.state.placing.field == Field(49, 0, 128, 128)
    controller.placer.move(1000, 1000)
    assert controller.state.placing.field == Field(172, 132, 128, 128)


def test_the_samples_stay_where_they_were_drawn_until_the_next_drawing(controller, engine):
    show(controller, slice_of((100, 60, 110, 70)))
    draw(controller, engine)
    controller.tick()
    run = controller.results.run
    controller.placer.put((200, 200))
    controller.tick()
    samples = controller.layers.find("samples")
    assert tuple(samples.translate) == pytest.approx(run.place.translate)
    assert controller.state.placing.field != run.field
    controller.generate()
    assert engine.requests[-1].case.key == "case[137:265,132:260]"


def test_the_model_gets_the_pixels_of_the_field(controller, engine):
    case = slice_of((100, 60, 110, 70))
    show(controller, case)
    controller.placer.put_box((20, 30), (82, 60))  # no multiples of 8
    controller.generate()
    assert np.array_equal(engine.requests[-1].case.image, case.image[20:83, 30:61])


def test_another_model_changes_the_size_and_not_what_the_user_placed(controller, monkeypatch):
    sizes = {"demo": 128, "small": 64}
    monkeypatch.setattr(controller.models, "size", sizes.get)
    show(controller, slice_of((100, 60, 110, 70)))
    controller.state.sampling.model = "small"
    assert controller.state.placing.field == Field(73, 33, 64, 64)
    controller.placer.put((200, 150))
    controller.state.sampling.model = "demo"
    assert controller.state.placing.field == Field(137, 87, 128, 128)
    controller.placer.put_box((20, 30), (82, 60))
    controller.state.sampling.model = "small"
    assert controller.state.placing.field == Field(20, 30, 63, 31)
    controller.state.sampling.model = "experts"  # which says no size
    assert controller.state.placing.size == 64


def test_a_blind_reader_is_not_shown_where_the_experts_marked(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    controller.reader.toggle()
    controller.tick()
    assert not controller.layers.is_visible(FIELD)
    controller.reader.toggle()
    controller.tick()
    assert controller.layers.is_visible(FIELD)


def test_the_user_s_revealed_outline_takes_the_place_of_the_field(controller, engine):
    show(controller, slice_of((40, 60, 60, 80)))
    controller.reader.toggle()
    controller.tick()
    controller.layers.find(READING).data[50:60, 50:60] = 1
    controller.reader.toggle()
    draw(controller, engine)
    controller.state.display.map = "votes"
    controller.tick()
    assert [role_of(layer) for layer in controller.viewer.layers] == [
        "image", "trajectory", "map", "samples", "experts", "reading",
    ]  # fmt: skip
    controller.viewer.layers.remove(controller.layers.find(READING))
    controller.tick()
    assert controller.layers.find(FIELD) is not None


def test_a_field_that_the_user_deletes_stays_away_until_it_moves(controller):
    show(controller, slice_of((100, 60, 110, 70)))
    controller.viewer.layers.remove(controller.layers.find(FIELD))
    controller.tick()
    assert controller.layers.find(FIELD) is None
    controller.placer.move(1, 1)
    controller.tick()
    assert controller.layers.find(FIELD) is not None


def test_how_much_of_each_expert_is_cut_off():
    case = slice_of((0, 0, 10, 10), (5, 0, 15, 10), (0, 0, 0, 0), (50, 50, 60, 60))
    assert cut_off(case, Field(0, 0, 10, 20)) == ((2, 0.5), (4, 1.0))
    assert cut_off(case, Field(0, 0, 100, 100)) == ()


def test_remarks_say_what_is_cut_off():
    case = slice_of((0, 0, 100, 10), (0, 0, 1, 1))
    field = Field(0, 0, 99, 128)
    assert remarks(case, Field(0, 0, 128, 128), 128) == ()
    (size, outside) = remarks(case, field, 128)
    assert "A: 1 %" in outside
    assert "nothing is resampled" in size


def test_a_field_of_hardly_any_contrast_is_remarked():
    flat = np.full(SHAPE, 0.4, np.float32)
    (text,) = remarks(slice_of((0, 0, 1, 1), image=flat), Field(0, 0, 128, 128), 128)
    assert text.startswith("The field spans 0 % of the scale")


def test_a_small_slice_is_whole_whatever_the_model():
    case = slice_of((0, 0, 1, 1), shape=(40, 50))
    assert remarks(case, Field.whole((40, 50)), 128) == ()
    assert where(Field.whole((40, 50)), (40, 50)) == "Field: the whole slice, 40 x 50"
    assert where(Field(3, 4, 5, 6), (40, 50)) == "Field: 5 x 6 at 3, 4 of 40 x 50"
