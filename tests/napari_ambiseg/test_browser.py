"""Cases in a viewer: opened by us, by napari's own doors, one after the other; and those that cannot be read."""

import numpy as np
import pytest
from napari.layers import Layer

from napari_ambiseg._compat import camera
from napari_ambiseg.controller import Controller
from napari_ambiseg.layers.roles import EXPERTS, IMAGE
from napari_ambiseg.readers import read_slices
from napari_ambiseg.sample_data import DemoSet, PhantomCases, demo_cases
from napari_ambiseg.sources import HDF5
from training.data.phantom import phantom_case
from training.errors import ConfigError, DataFormatError

from .played_engine import PlayedEngine, draw


def test_the_demo_shows_a_case_and_its_numbers_before_any_model(controller, engine):
    controller.opener.open_demo()
    controller.tick()
    state, case = controller.state, controller.case
    assert (state.browsing.source, state.browsing.index, state.browsing.key) == ("demo cases", 0, "synthetic 01")
    assert state.disagreement.experts.n_found == case.n_found
    assert np.array_equal(controller.layers.find(IMAGE).data, case.image)
    assert len(controller.layers.find(EXPERTS).data) >= case.n_found
    assert engine.requests == []


def test_a_file_opens_at_the_first_case_of_its_first_split(controller, file):
    controller.opener.open_path(file)
    browsing = controller.state.browsing
    assert (browsing.splits, browsing.split, browsing.index) == (("train", "val"), "train", 0)
    assert np.array_equal(controller.layers.find(IMAGE).data, phantom_case(0, 1, 64).slice.image)
    controller.browser.enter("val")
    assert (browsing.split, browsing.index) == ("val", 0)
    assert np.array_equal(controller.layers.find(IMAGE).data, phantom_case(0, 2, 64).slice.image)


def test_cases_end_at_the_ends_of_the_split(controller, file):
    controller.opener.open_path(file)
    indices = []
    for by in (-1, 1, 3, 100, 1, -2):
        controller.opener.next_case(by)
        indices.append(controller.state.browsing.index)
    assert indices == [0, 1, 4, 7, 7, 5]
    controller.opener.open_case(-4)
    assert controller.state.browsing.index == 0


def test_the_number_of_layers_is_the_same_after_twenty_cases(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    before = list(viewer.layers)
    for _ in range(20):
        controller.opener.next_case()
        draw(controller, engine)
    assert list(viewer.layers) == before


def test_the_camera_is_aimed_once_for_each_source_and_then_stays_on_the_same_part_of_each_slice(
    controller, viewer, file
):
    controller.opener.open_demo()
    eye = camera(viewer)
    eye.zoom, eye.center = 7.0, (0, 3, 4)
    before = np.array(controller.browser.place.scale)
    while np.array_equal(controller.browser.place.scale, before):  # slices of one size, of other millimetres
        controller.opener.next_case()
    grown = np.array(controller.browser.place.scale) / before
    np.testing.assert_allclose(eye.center, (0, 3 * grown[0], 4 * grown[1]))
    assert eye.zoom == pytest.approx(7.0 / np.sqrt(grown.prod()))
    controller.opener.open_case(0)
    np.testing.assert_allclose(eye.center, (0, 3, 4))
    assert eye.zoom == pytest.approx(7.0)
    controller.opener.open_path(file)
    assert eye.center != (0, 3, 4)


def test_the_case_table_fills_a_little_with_each_tick(controller):
    controller.opener.open_demo()
    surveyed = []
    for _ in range(200):
        controller.tick()
        surveyed.append(controller.state.browsing.surveyed)
        if controller.browser.survey.done:
            break
    assert surveyed == sorted(surveyed)
    assert surveyed[-1] == len(controller.browser.survey) == 24


def test_a_bad_file_is_one_notification_and_the_open_case_stays(controller, told, tmp_path):
    controller.opener.open_demo()
    bad = tmp_path / "bad.hdf5"
    bad.write_text("no HDF5")
    controller.opener.open_path(bad)
    controller.opener.open_path(tmp_path / "absent.hdf5")
    first, second = told()
    assert "bad.hdf5" in first
    assert "absent.hdf5" in second
    assert all("\n" not in text for text in told())
    assert controller.state.browsing.source == "demo cases"
    controller.opener.next_case()
    assert controller.state.browsing.index == 1


def test_an_unknown_split_is_refused_and_the_case_stays(controller, file):
    controller.opener.open_path(file)
    with pytest.raises(ConfigError, match=r"^no split 'test'; choose one of: train, val$"):
        controller.browser.enter("test")
    assert controller.state.browsing.split == "train"


class Torn(PhantomCases):
    """The demo cases, of which some cannot be read."""

    torn = ()

    def __getitem__(self, index):
        if index in self.torn:
            raise DataFormatError(f"cases.hdf5: 'images'[{index}] cannot be read")
        return super().__getitem__(index)


@pytest.fixture
def torn_file(monkeypatch):
    """A file that opens well and has such cases."""

    class TornSet(DemoSet):
        splits = {"train": Torn()}  # noqa: RUF012 - as the protocol has it

    monkeypatch.setattr("napari_ambiseg.opener.layout_of", lambda _: HDF5)
    monkeypatch.setattr("napari_ambiseg.browser.open_isolated", lambda _: TornSet())
    return lambda *indices: monkeypatch.setattr(Torn, "torn", indices)


def test_a_case_that_cannot_be_read_is_told_once_and_passed_by(controller, told, torn_file):
    torn_file(1)
    controller.opener.open_path("cases.hdf5")
    image = controller.layers.find(IMAGE).data
    controller.opener.next_case()
    assert told() == ["cases.hdf5: 'images'[1] cannot be read"]
    assert controller.state.browsing.index == 0
    assert controller.layers.find(IMAGE).data is image
    controller.opener.next_case()
    assert controller.state.browsing.index == 2
    controller.opener.next_case(-2)
    assert controller.state.browsing.index == 0
    assert len(told()) == 1


def test_where_the_first_case_cannot_be_read_nothing_is_shown(controller, viewer, told, torn_file):
    """Rather than a case of the file that was open before."""
    torn_file(0)
    controller.opener.open_demo()
    controller.opener.open_path("cases.hdf5")
    assert len(told()) == 1
    assert controller.case is None
    assert len(viewer.layers) == 0
    assert controller.state.browsing.index == -1
    assert controller.state.disagreement.experts is None
    controller.opener.next_case()
    assert controller.state.browsing.index == 1


# -- napari's own doors ----------------------------------------------------------------------------------------------


def add(viewer, layers):
    for data in layers:
        viewer.add_layer(Layer.create(*data))


def test_a_file_opened_by_naparis_menu_is_taken_over(controller, viewer, file):
    add(viewer, read_slices(str(file))(str(file)))
    before = list(viewer.layers)
    controller.tick()
    browsing = controller.state.browsing
    assert (browsing.source, browsing.splits, browsing.index) == (str(file), ("train", "val"), 0)
    assert list(viewer.layers) == before
    controller.opener.next_case()
    assert list(viewer.layers) == before


def test_a_second_file_opened_by_naparis_menu_fills_the_layers_of_the_first(controller, engine, viewer, file):
    controller.opener.open_demo()
    draw(controller, engine)
    before = list(viewer.layers)
    add(viewer, read_slices(str(file))(str(file)))
    controller.tick()
    assert list(viewer.layers) == before
    assert controller.state.browsing.source == str(file)
    assert controller.layers.find(IMAGE).data.shape == (64, 64)
    assert controller.state.disagreement.raw is None


def test_sample_data_opened_before_the_docks_are_taken_over_by_them(viewer):
    add(viewer, demo_cases())
    late = Controller(viewer, PlayedEngine())
    late.tick()
    assert late.state.browsing.source == "demo cases"
    assert late.case is not None
    late.close()


def test_a_duplicated_layer_is_the_users_own(controller, engine, viewer):
    controller.opener.open_demo()
    draw(controller, engine)
    data, options, kind = controller.layers.find(IMAGE).as_layer_data_tuple()
    copy = viewer.add_layer(Layer.create(data.copy(), {**options, "name": "image copy"}, kind))
    controller.tick()
    assert controller.state.disagreement.raw is not None  # nothing was opened anew
    controller.opener.next_case()
    assert np.array_equal(copy.data, data)


def test_a_file_that_has_gone_meanwhile_is_one_notification(controller, viewer, file, told):
    layers = read_slices(str(file))(str(file))
    file.unlink()
    add(viewer, layers)
    controller.tick()
    controller.tick()
    (text,) = told()
    assert "no such file" in text
