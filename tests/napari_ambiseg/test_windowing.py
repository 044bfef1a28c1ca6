"""Window presets: what the image layer shows under each, and what it leaves alone."""

import numpy as np
import pytest

from napari_ambiseg.layers.roles import IMAGE
from napari_ambiseg.windowing import NO_HOUNSFIELD, PRESETS, SLICE, missing
from training.records import AnnotatedSlice

UNITS = np.array([[-1000, -600], [40, 3000]], np.int16)


class Cases:
    """Slices in memory, in the form of an opened file with one split."""

    def __init__(self, *hounsfield):
        self._hounsfield = hounsfield
        self.keys = self.patients = tuple(f"slice {at}" for at in range(len(hounsfield)))
        self.splits = {"all": self}

    def __len__(self):
        return len(self.keys)

    def __getitem__(self, at):
        image = np.linspace(0.1, 0.9, 4, dtype=np.float32).reshape(2, 2)
        return AnnotatedSlice(image, np.ones((2, 2, 2), bool), "p", self.keys[at], None, self._hounsfield[at])

    def close(self):
        pass


@pytest.fixture
def shown(controller):
    """Open slices with these Hounsfield units, and get the image layer."""

    def open_cases(*hounsfield):
        controller.browser.open(Cases(*hounsfield), "in memory")
        return controller.layers.find(IMAGE)

    return open_cases


def choose(controller, name):
    controller.state.display.window = name


def test_at_first_the_image_is_what_the_model_sees(controller, shown):
    layer = shown(UNITS)
    assert np.array_equal(layer.data, controller.case.image)
    assert tuple(layer.contrast_limits) == (0, 1)


@pytest.mark.parametrize(
    ("name", "limits"), [("lung", (-1350, 150)), ("mediastinum", (-160, 240)), ("wide", (-1500, 500))]
)
def test_a_preset_in_hounsfield_units_shows_those_units(controller, shown, name, limits):
    layer = shown(UNITS)
    choose(controller, name)
    assert np.array_equal(layer.data, UNITS)
    assert tuple(layer.contrast_limits) == limits
    low, high = layer.contrast_limits_range
    assert low <= UNITS.min() <= UNITS.max() <= high


def test_back_to_what_the_model_sees(controller, shown):
    layer = shown(UNITS)
    choose(controller, "lung")
    choose(controller, "stored")
    assert layer.data.dtype == np.float32
    assert tuple(layer.contrast_limits) == (0, 1)


def test_the_slice_s_own_range_is_cut_at_its_first_and_last_hundredth(controller, shown):
    layer = shown(None)
    choose(controller, SLICE)
    low, high = np.percentile(controller.case.image, (1, 99))
    assert tuple(layer.contrast_limits) == pytest.approx((low, high))


def test_without_hounsfield_units_their_presets_say_why_and_are_passed_over(controller, shown):
    shown(None)
    assert missing("lung", controller.case) == NO_HOUNSFIELD
    assert missing("dark", controller.case) == ""
    seen = []
    for _ in range(len(PRESETS)):
        controller.windowing.cycle()
        seen.append(controller.state.display.window)
    assert seen[:4] == ["slice", "dark", "bright", "stored"]
    assert not {"lung", "mediastinum", "wide"} & set(seen)


def test_a_chosen_preset_stays_from_case_to_case_and_waits_where_there_are_no_units(controller, shown):
    layer = shown(UNITS, None, UNITS)
    choose(controller, "lung")
    controller.opener.next_case()
    assert layer.data.dtype == np.float32
    assert tuple(layer.contrast_limits) == (0, 1)
    controller.opener.next_case()
    assert np.array_equal(layer.data, UNITS)
    assert tuple(layer.contrast_limits) == (-1350, 150)


def test_a_range_dragged_by_hand_stays_from_case_to_case(controller, shown):
    layer = shown(UNITS, UNITS)
    choose(controller, "lung")
    layer.contrast_limits = (-900, -100)
    controller.opener.next_case()
    assert tuple(layer.contrast_limits) == (-900, -100)
    choose(controller, "stored")
    choose(controller, "lung")
    assert tuple(layer.contrast_limits) == (-1350, 150)


def test_a_layer_of_the_user_s_own_is_left_alone(controller, viewer, shown):
    own = viewer.add_image(np.zeros((4, 4)), contrast_limits=(0, 7), name="image")
    shown(UNITS)
    choose(controller, "lung")
    assert tuple(own.contrast_limits) == (0, 7)
    assert own.data.dtype == np.float64


def test_a_preset_without_an_open_case_waits_for_one(controller, shown):
    choose(controller, "mediastinum")
    assert tuple(shown(UNITS).contrast_limits) == (-160, 240)
