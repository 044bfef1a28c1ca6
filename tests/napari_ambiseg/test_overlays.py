"""Which outlines and which map are on: exact arrays for every choice, one layer each, nothing in a blind read."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from napari_ambiseg.layers.maps import DIFFERENCE, EXPERT_VARIANCE, MAPS, NO_MAP, SAMPLE_SHARE, SAMPLE_VARIANCE, VOTES
from napari_ambiseg.layers.roles import EXPERTS, KEY, MAP
from training.export.colours import expert_colour
from training.metrics import pixel_variance
from training.metrics.staple import is_available, staple

from .played_engine import STEPS
from .played_engine import draw as begin


@pytest.fixture
def display(controller):
    """With a demo case on which everybody drew something."""
    controller.opener.open_demo()
    masks = None
    for index in range(24):
        controller.opener.open_case(index)
        masks = controller.case.masks
        if masks.any(axis=(1, 2)).all():
            break
    assert masks.any(axis=(1, 2)).all()
    controller.tick()
    return controller.state.display


def outlined(controller):
    """The labels of the outlines that are there."""
    features = controller.layers.find(EXPERTS).features
    return [text.strip() for text in features["label"] if text]


def settle(controller):
    """As many ticks as the answers of a whole drawing take."""
    for _ in range(STEPS + 3):
        controller.tick()


def draw(controller, engine):
    begin(controller, engine)
    settle(controller)


def shown_map(controller):
    settle(controller)
    layer = controller.layers.find(MAP)
    return layer if layer is not None and layer.visible else None


def test_at_first_the_experts_outlines_and_no_map_are_there(controller, display):
    assert outlined(controller) == ["A", "B", "C", "D"]
    assert shown_map(controller) is None


def test_an_expert_can_be_switched_off_and_on(controller, display):
    display.hidden_experts = (1, 3)
    controller.tick()
    assert outlined(controller) == ["B", "D"]
    display.hidden_experts = ()
    controller.tick()
    assert outlined(controller) == ["A", "B", "C", "D"]


def test_the_summary_takes_the_place_of_the_outlines_and_agreement_joins_either(controller, display):
    display.agreement = 3
    controller.tick()
    assert outlined(controller) == ["≥ 3", "A", "B", "C", "D"]
    display.summary = True
    controller.tick()
    assert outlined(controller)[:2] == ["≥ 3", "any"]  # the broad one below
    assert "A" not in outlined(controller)


def test_an_agreement_of_more_experts_than_a_case_has_is_that_of_all(controller, display):
    display.agreement = 9
    controller.tick()
    everybody = controller.case.masks.all(axis=0)
    assert ("≥ 4" in outlined(controller)) == everybody.any()


@pytest.mark.skipif(not is_available(), reason="SimpleITK is not installed")
def test_the_estimate_by_staple_is_one_more_outline_made_once_for_each_case(controller, display):
    display.staple = True
    controller.tick()
    assert outlined(controller) == ["STAPLE", "A", "B", "C", "D"]
    estimate = controller.overlays.staple_estimate()
    assert np.array_equal(estimate.probability, staple(controller.case.masks).probability)
    assert controller.overlays.staple_estimate() is estimate
    controller.opener.next_case()
    assert controller.overlays.staple_estimate() is not estimate


def test_without_simpleitk_there_is_no_estimate_and_no_error(controller, display, monkeypatch):
    monkeypatch.setattr("napari_ambiseg.overlays.is_available", lambda: False)
    display.staple = True
    controller.tick()
    assert outlined(controller) == ["A", "B", "C", "D"]


@pytest.mark.parametrize("name", [VOTES, EXPERT_VARIANCE])
def test_maps_of_the_experts_need_no_samples(controller, display, name):
    display.map = name
    masks = controller.case.masks
    wanted = masks.sum(axis=0) if name == VOTES else pixel_variance(masks)
    assert shown_map(controller).data == pytest.approx(wanted)
    display.map = NO_MAP
    assert shown_map(controller) is None


@pytest.mark.parametrize("name", [SAMPLE_SHARE, SAMPLE_VARIANCE])
def test_maps_of_the_samples_come_with_the_samples_and_go_with_them(controller, engine, display, name):
    display.map = name
    assert shown_map(controller) is None
    draw(controller, engine)
    share = engine.masks().mean(axis=0)
    assert shown_map(controller).data == pytest.approx(share if name == SAMPLE_SHARE else share * (1 - share))
    assert shown_map(controller).metadata[KEY]["model"] == "demo"
    controller.opener.next_case()
    assert shown_map(controller) is None


def test_maps_of_the_samples_follow_them_while_they_are_drawn(controller, engine, display):
    display.map = SAMPLE_SHARE
    controller.generate()
    engine.load()
    for index in (0, 2):
        engine.step(index)
        coming = np.roll(engine.masks(), STEPS - index, axis=1)
        assert shown_map(controller).data == pytest.approx(coming.mean(axis=0))


def test_maps_of_the_samples_are_of_the_cleaned_ones(controller, engine, display):
    from training.postprocess import Cleaning

    draw(controller, engine)
    display.map = SAMPLE_SHARE
    controller.state.postprocessing.cleaning = Cleaning(relative_area=0.9)
    assert shown_map(controller).data == pytest.approx(controller.results.masks.mean(axis=0))
    assert controller.results.masks.sum() < engine.masks().sum()


def difference(first, second):
    return first.astype(int) + 2 * second.astype(int)


def test_the_difference_of_two_experts_needs_no_samples(controller, display):
    controller.overlays.show_pair(("B", "D"))
    masks = controller.case.masks
    layer = shown_map(controller)
    assert np.array_equal(layer.data, difference(masks[1], masks[3]))
    assert not layer.colorbar.visible
    colour = layer.colormap.map(np.array([1 / 3]))[0] * 255
    assert colour[:3] == pytest.approx([int(expert_colour(2)[at : at + 2], 16) for at in (1, 3, 5)], abs=1)


def test_the_difference_of_an_expert_and_a_sample_and_of_two_samples(controller, engine, display):
    draw(controller, engine)
    drawn, masks = engine.masks(), controller.case.masks
    controller.overlays.show_pair(("A", "3"))
    assert np.array_equal(shown_map(controller).data, difference(masks[0], drawn[2]))
    controller.overlays.show_pair(("2", "6"))
    assert np.array_equal(shown_map(controller).data, difference(drawn[1], drawn[5]))


def test_the_same_pair_again_is_off(controller, display):
    controller.overlays.show_pair(("A", "B"))
    assert shown_map(controller) is not None
    controller.overlays.show_pair(("A", "B"))
    assert (display.map, display.pair) == (NO_MAP, None)
    assert shown_map(controller) is None


@pytest.mark.parametrize("pair", [("A", "3"), ("1", "2"), ("A", "E"), None])
def test_a_pair_that_is_not_there_is_no_map_and_no_error(controller, display, pair):
    display.pair, display.map = pair, DIFFERENCE
    assert shown_map(controller) is None


def test_a_pair_of_samples_that_the_next_run_does_not_have_is_no_map(controller, engine, display):
    draw(controller, engine)
    controller.overlays.show_pair(("5", "6"))
    assert shown_map(controller) is not None
    controller.state.sampling.n_samples = 2
    draw(controller, engine)
    assert shown_map(controller) is None


def test_the_variance_key_shows_the_samples_where_there_are_any_else_the_experts(controller, engine, display):
    controller.overlays.show_variance()
    assert display.map == EXPERT_VARIANCE
    controller.overlays.show_variance()
    assert display.map == NO_MAP
    draw(controller, engine)
    controller.overlays.show_variance()
    assert display.map == SAMPLE_VARIANCE


def test_every_map_keeps_its_scale_from_case_to_case_and_there_is_one_layer(controller, engine, display):
    draw(controller, engine)
    display.pair = ("A", "1")
    limits = {VOTES: (0, 4), SAMPLE_SHARE: (0, 1), DIFFERENCE: (0, 3)}
    for name in MAPS[1:]:
        display.map = name
        assert tuple(shown_map(controller).contrast_limits) == limits.get(name, (0, 0.25))
        assert shown_map(controller).colorbar.visible == (name != DIFFERENCE)
    assert len(controller.viewer.layers) == 5
    display.map = EXPERT_VARIANCE
    for _ in range(3):
        controller.opener.next_case()
        assert tuple(shown_map(controller).contrast_limits) == (0, 0.25)


def test_what_the_user_changed_on_map_and_outlines_survives_other_cases(controller, display):
    display.map = VOTES
    layer, experts = shown_map(controller), controller.layers.find(EXPERTS)
    layer.opacity, layer.colorbar.visible = 0.3, False
    experts.opacity, experts.visible, experts.name = 0.5, False, "my colleagues"
    controller.opener.next_case()
    assert shown_map(controller) is layer
    assert (layer.opacity, layer.colorbar.visible) == (0.3, False)
    assert controller.layers.find(EXPERTS) is experts
    assert (experts.opacity, experts.visible, experts.name) == (0.5, False, "my colleagues")


def test_a_deleted_map_comes_back_when_another_one_is_chosen(controller, display):
    display.map = VOTES
    controller.viewer.layers.remove(shown_map(controller))
    display.map = EXPERT_VARIANCE
    assert shown_map(controller).data == pytest.approx(pixel_variance(controller.case.masks))


def test_a_blind_read_empties_outlines_and_map_and_the_reveal_brings_them_back(controller, engine, display):
    draw(controller, engine)
    display.map, display.agreement = VOTES, 2
    controller.tick()
    controller.state.reading.keep = True
    controller.reader.begin()
    controller.tick()
    assert controller.layers.find(EXPERTS).nshapes == 0
    assert not controller.layers.find(MAP).data.any()
    assert shown_map(controller) is None
    controller.opener.next_case()
    controller.tick()
    assert controller.layers.find(EXPERTS).nshapes == 0
    controller.reader.reveal()
    controller.tick()
    assert outlined(controller)
    assert np.array_equal(shown_map(controller).data, controller.case.masks.sum(axis=0))


def test_the_width_of_the_outlines_is_the_state_s(controller, display):
    display.outline_width = 0.3
    controller.tick()
    assert set(controller.layers.find(EXPERTS).edge_width) == {0.3}


def test_once_samples_are_drawn_no_letter_stands_on_them(controller, engine, display, monkeypatch):
    broad = binary_dilation(controller.case.masks.any(axis=0), iterations=12)  # over the places of the letters
    assert broad[tuple(places_of_letters(controller).T)].any()
    monkeypatch.setattr(engine, "masks", lambda: np.repeat(broad[None], engine.requests[-1].n, axis=0))
    draw(controller, engine)
    assert not broad[tuple(places_of_letters(controller).T)].any()


def test_the_letters_of_the_next_case_do_not_shun_samples_of_the_one_before(controller, engine, display, monkeypatch):
    controller.opener.next_case()
    controller.tick()
    alone = places_of_letters(controller)
    controller.opener.next_case(-1)
    everywhere = np.ones(controller.case.image.shape, bool)
    monkeypatch.setattr(engine, "masks", lambda: np.repeat(everywhere[None], engine.requests[-1].n, axis=0))
    draw(controller, engine)
    controller.opener.next_case()
    controller.tick()
    np.testing.assert_array_equal(places_of_letters(controller), alone)


def places_of_letters(controller):
    """Their nearest pixels, (L, 2)."""
    layer = controller.layers.find(EXPERTS)
    paths = [path for path, text in zip(layer.data, layer.features["label"], strict=True) if text]
    return np.array([path.mean(axis=0) for path in paths]).round().astype(int)
