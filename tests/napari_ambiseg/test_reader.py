"""Reading cases without a window: flags, notes, the blind read, and that nothing is told before it is revealed."""

import numpy as np
import pytest

from napari_ambiseg.layers.maps import VOTES
from napari_ambiseg.layers.roles import EXPERTS, IMAGE, KEY, MAP, READING, SAMPLES, TRAJECTORY
from training.export.own_reading import SAMPLES as OF_SAMPLES
from training.metrics import dice, iou

from .played_engine import STEPS, draw

TELLING = (EXPERTS, MAP, SAMPLES, TRAJECTORY)


def paint(controller, *window):
    """Paint as the user does, in the layer's own array."""
    layer = controller.layers.find(READING)
    data = np.array(layer.data)
    data[window] = 1
    layer.data = data
    controller.tick()


def told_by_layers(controller):
    """Whether any layer of experts or model could be seen, were it only in the thumbnail of a hidden one."""
    for role in TELLING:
        layer = controller.layers.find(role)
        if layer is None:
            continue
        if layer.visible:
            return True
        if role in (EXPERTS, SAMPLES) and len(layer.data):
            return True
        if role == MAP and np.any(layer.data):
            return True
        if role == TRAJECTORY and not np.isnan(layer.data).all():
            return True
        if len(np.unique(layer.thumbnail.reshape(-1, 4), axis=0)) > 1:
            return True
    return False


def test_flags_go_round_and_notes_become_one_line(controller):
    controller.opener.open_demo()
    flags = []
    for _ in range(4):
        flags.append(controller.state.reading.flag)
        controller.reader.next_flag()
    assert flags == ["", "!", "?", ""]
    controller.reader.write_note("  near the\nwall ")
    assert controller.state.reading.note == "near the wall"
    controller.opener.next_case()
    assert (controller.state.reading.flag, controller.state.reading.note) == ("", "")
    controller.opener.next_case(-1)
    assert (controller.state.reading.flag, controller.state.reading.note) == ("!", "near the wall")


def test_a_case_counts_as_read_once_its_experts_were_shown(controller):
    controller.opener.open_demo()
    controller.state.reading.keep = True
    controller.opener.next_case()
    book = controller.casebook.book("demo cases", "synthetic")
    assert book["synthetic 01"].seen
    assert "synthetic 02" not in book or not book["synthetic 02"].seen
    controller.reader.toggle()
    assert book["synthetic 02"].seen


def test_a_blind_read_hides_experts_maps_and_samples(controller, engine):
    controller.opener.open_demo()
    controller.opener.open_case(8)
    draw(controller, engine)
    controller.state.display.map = VOTES
    controller.tick()
    assert all(controller.layers.is_visible(role) for role in (EXPERTS, MAP, SAMPLES))
    controller.reader.toggle()
    assert controller.state.reading.blind
    for _ in range(3):
        controller.tick()
        assert not told_by_layers(controller)
    assert controller.layers.is_visible(IMAGE)
    controller.reader.toggle()
    controller.tick()
    assert all(controller.layers.is_visible(role) for role in (EXPERTS, MAP, SAMPLES))
    assert len(controller.layers.find(EXPERTS).data)
    assert len(controller.layers.find(SAMPLES).data)
    assert controller.layers.find(MAP).data.max() == controller.case.masks.sum(axis=0).max()


def test_what_is_drawn_while_blind_shows_only_after_the_reveal(controller, engine):
    controller.opener.open_demo()
    controller.opener.open_case(8)
    controller.generate()
    engine.load()
    engine.step(0, 1)
    controller.tick()
    controller.reader.toggle()
    engine.step(2)
    controller.tick()
    assert not told_by_layers(controller)
    engine.step(3, STEPS)
    engine.finish()
    for _ in range(20):
        controller.tick()
    assert controller.results.run is not None
    controller.state.display.map = VOTES
    controller.tick()
    assert not told_by_layers(controller)
    controller.opener.next_case()
    controller.opener.next_case(-1)
    controller.reader.toggle()
    controller.tick()
    assert not told_by_layers(controller)
    controller.reader.toggle()
    controller.tick()
    assert len(controller.layers.find(SAMPLES).data)
    np.testing.assert_array_equal(controller.layers.find(TRAJECTORY).data[:, -1], controller.results.run.x0_hat)
    assert controller.layers.is_visible(MAP)


def test_a_hidden_layer_that_is_turned_on_goes_off_again(controller):
    controller.opener.open_demo()
    controller.tick()
    controller.reader.toggle()
    controller.layers.find(EXPERTS).visible = True
    controller.tick()
    assert not told_by_layers(controller)


@pytest.mark.parametrize("was_on", [True, False])
def test_a_walk_is_kept_from_its_layer_while_blind_and_comes_back_with_the_reveal(controller, engine, viewer, was_on):
    controller.opener.open_demo()
    draw(controller, engine)
    layer = controller.layers.find(TRAJECTORY)
    layer.visible = was_on
    walk, steps = np.array(layer.data), viewer.dims.nsteps
    controller.reader.toggle()
    assert np.isnan(layer.data).all()
    assert viewer.dims.nsteps[:2] == (1, 1)  # napari shows no slider where there is nothing to go through
    controller.state.playback.quantity = "x_t"
    controller.state.playback.frame = 1
    controller.state.playback.sample = 3
    controller.tick()
    assert np.isnan(layer.data).all()
    assert not told_by_layers(controller)
    assert controller.state.playback.sample == 3
    controller.state.playback.quantity = "x0_hat"
    controller.reader.toggle()
    assert viewer.dims.nsteps == steps
    assert viewer.dims.current_step[:2] == (3, 1)
    np.testing.assert_array_equal(layer.data, walk)
    assert layer.visible == was_on


def test_a_walk_shown_while_blind_is_in_its_layer_after_the_reveal(controller, engine):
    controller.opener.open_demo()
    draw(controller, engine)
    walk = np.array(controller.layers.find(TRAJECTORY).data)
    controller.reader.toggle()
    controller.reader.say_nothing()
    controller.opener.next_case()
    controller.reader.toggle()
    controller.opener.next_case(-1)
    controller.tick()
    assert controller.state.reading.blind
    assert not told_by_layers(controller)
    controller.reader.toggle()
    controller.tick()
    np.testing.assert_array_equal(controller.layers.find(TRAJECTORY).data, walk)


def test_what_the_user_had_off_stays_off_after_the_reveal(controller):
    controller.opener.open_demo()
    controller.tick()
    controller.layers.find(EXPERTS).visible = False
    controller.reader.toggle()
    controller.reader.toggle()
    controller.tick()
    assert not controller.layers.is_visible(EXPERTS)


def test_the_reveal_tells_the_distance_to_each_expert_and_to_the_samples(controller, engine):
    controller.opener.open_demo()
    controller.opener.open_case(8)
    draw(controller, engine)
    controller.reader.toggle()
    paint(controller, slice(50, 70), slice(50, 70))
    assert controller.state.reading.area == 400
    assert controller.state.reading.distances == ()
    controller.reader.toggle()
    own, reading = controller.layers.find(READING).data > 0, controller.state.reading
    *experts, samples = reading.distances
    assert [one.name for one in experts] == ["A", "B", "C", "D"]
    for one, mask in zip(experts, controller.case.masks, strict=True):
        assert (one.distance, one.dice) == pytest.approx((1 - iou(own, mask), dice(own, mask)))
        assert one.area == mask.sum()
    assert samples.name == OF_SAMPLES
    assert samples.distance == pytest.approx(np.mean([1 - iou(own, mask) for mask in controller.results.masks]))
    assert 1 <= reading.standing.rank <= reading.standing.of == 5
    assert not reading.first  # the experts were on the screen before


def test_samples_that_come_after_the_reveal_are_compared_too(controller, engine):
    controller.opener.open_demo()
    controller.reader.toggle()
    paint(controller, slice(10, 14), slice(10, 14))
    controller.reader.toggle()
    assert [one.name for one in controller.state.reading.distances] == ["A", "B", "C", "D"]
    draw(controller, engine)
    controller.tick()
    assert controller.state.reading.distances[-1].name == OF_SAMPLES


def test_nothing_there_is_an_answer(controller):
    controller.opener.open_demo()
    controller.opener.open_case(6)  # two experts saw nothing
    controller.reader.toggle()
    paint(controller, slice(0, 3), slice(0, 3))
    controller.reader.say_nothing()
    assert controller.state.reading.nothing
    assert not np.any(controller.layers.find(READING).data)
    controller.reader.toggle()
    assert sorted(one.distance for one in controller.state.reading.distances) == [0, 0, 1, 1]


def test_painting_after_nothing_there_takes_the_answer_back(controller):
    controller.opener.open_demo()
    controller.reader.toggle()
    controller.reader.say_nothing()
    paint(controller, slice(0, 3), slice(0, 3))
    assert not controller.state.reading.nothing
    assert controller.state.reading.area == 9


def test_without_an_answer_the_reveal_keeps_no_reading(controller):
    controller.opener.open_demo()
    controller.reader.toggle()
    controller.reader.toggle()
    assert controller.state.reading.distances == ()
    assert not controller.casebook.of(controller.browser.origin, "synthetic 01").revealed
    assert controller.layers.find(READING) is None


@pytest.mark.parametrize("is_painted", [True, False])
def test_after_the_reveal_napari_shows_the_controls_of_the_image(controller, viewer, is_painted):
    controller.opener.open_demo()
    controller.reader.toggle()
    assert viewer.layers.selection.active is controller.layers.find(READING)
    if is_painted:
        controller.layers.find(READING).paint((60, 60), 1)
    controller.reader.toggle()
    assert viewer.layers.selection.active is controller.layers.find(IMAGE)


def test_a_layer_of_the_users_own_stays_selected_through_the_reveal(controller, viewer):
    controller.opener.open_demo()
    controller.reader.toggle()
    own = viewer.add_points([[3, 3]])
    controller.reader.toggle()
    assert viewer.layers.selection.active is own


def test_an_unfinished_read_waits_and_comes_back_blind_with_what_was_drawn(controller):
    controller.opener.open_demo()
    controller.reader.toggle()
    layer = controller.layers.find(READING)
    layer.data[20:30, 20:30] = 1  # without a tick: the very last stroke counts as well
    controller.opener.next_case()
    assert not controller.state.reading.blind
    assert controller.layers.find(READING) is None
    controller.opener.next_case(-1)
    assert controller.state.reading.blind
    assert controller.layers.find(READING).data.sum() == 100
    assert controller.state.reading.area == 100


def test_a_revealed_read_comes_back_revealed(controller):
    controller.opener.open_demo()
    controller.state.reading.keep = True
    controller.reader.toggle()
    paint(controller, slice(20, 30), slice(20, 30))
    controller.reader.toggle()
    before = controller.state.reading.distances
    controller.opener.next_case()
    assert controller.state.reading.blind
    assert controller.state.reading.distances == ()
    controller.opener.next_case(-1)
    assert not controller.state.reading.blind
    assert controller.state.reading.distances == before
    assert controller.state.reading.standing is not None
    assert controller.layers.find(READING).data.sum() == 100


def test_a_mask_goes_to_the_file_that_it_was_drawn_on(controller, file):
    """Opening another file while a read is unfinished must not give it to a case of that file."""
    controller.opener.open_demo()
    controller.reader.toggle()
    controller.layers.find(READING).data[20:30, 20:30] = 1
    controller.opener.open_path(file)
    assert controller.casebook.book("demo cases", "synthetic")["synthetic 01"].mask.sum() == 100
    assert all(entry.mask is None for entry in controller.casebook.book(str(file), "train").values())
    controller.opener.open_demo()
    assert controller.layers.find(READING).data.sum() == 100


def test_a_deleted_reading_layer_is_an_empty_one_again(controller, viewer):
    controller.opener.open_demo()
    controller.reader.toggle()
    paint(controller, slice(20, 30), slice(20, 30))
    viewer.layers.remove(controller.layers.find(READING))
    controller.tick()
    assert not np.any(controller.layers.find(READING).data)
    assert controller.state.reading.blind


def test_without_a_case_there_is_nothing_to_read(controller, told):
    controller.reader.toggle()
    controller.reader.next_flag()
    controller.reader.say_nothing()
    controller.tick()
    assert not controller.state.reading.blind
    assert told() == ["open a case first: the demo cases, or a file of annotated slices"]


def test_a_reading_session_of_twenty_cases_is_blind_throughout_and_keeps_every_reading(controller, engine, viewer):
    controller.opener.open_demo()
    controller.state.reading.keep = True
    controller.reader.toggle()
    rng, counts, drawn = np.random.default_rng(4), [], {}
    for number in range(20):
        assert controller.state.reading.blind
        assert not told_by_layers(controller)
        if number % 5 == 4:
            controller.reader.say_nothing()
            drawn[number] = 0
        else:
            side = int(rng.integers(5, 30))
            paint(controller, slice(40, 40 + side), slice(40, 40 + side))
            drawn[number] = side * side
        controller.reader.toggle()
        controller.tick()
        assert controller.layers.is_visible(EXPERTS)
        assert len(controller.state.reading.distances) == 4
        assert controller.state.reading.first == (number > 0)
        draw(controller, engine)
        controller.tick()
        assert len(controller.state.reading.distances) == 5
        counts.append(len(viewer.layers))
        controller.opener.next_case()
    assert len(set(counts)) == 1
    assert counts[0] <= 6
    for number in range(20):
        controller.opener.open_case(number)
        controller.tick()
        assert not controller.state.reading.blind
        assert controller.layers.find(READING).data.sum() == drawn[number] == controller.state.reading.area
        assert len(controller.layers.find(SAMPLES).data)
    assert len(viewer.layers) == counts[0]
    assert [layer.metadata[KEY]["role"] for layer in viewer.layers].count(READING) == 1
