"""A session that cannot be opened leaves what is open as it is; one that can shows nothing that it must not."""

import json

import h5py
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ambiseg.controller import Controller
from napari_ambiseg.layers.roles import EXPERTS
from napari_ambiseg.sample_data import DemoSet
from napari_ambiseg.session_file import SUFFIX
from training.data.field import Field
from training.errors import AmbisegError, ConfigError, DataFormatError

from .played_engine import PlayedEngine, draw


@pytest.fixture
def another():
    """Another window, in which the demo is open and something was noted and drawn."""
    viewer = ViewerModel()  # which the controller does not keep alive
    engine = PlayedEngine()
    controller = Controller(viewer, engine)
    controller.state.sampling.n_samples = 2
    controller.opener.open_demo()
    controller.opener.next_case()
    draw(controller, engine)
    controller.reader.write_note("mine")
    yield controller
    controller.close()


@pytest.fixture
def saved(controller, file, tmp_path):
    """A session of the third case of a file."""
    controller.opener.open_path(file)
    controller.opener.open_case(2)
    controller.reader.write_note("theirs")
    controller.session.save(tmp_path / f"s{SUFFIX}")
    return tmp_path / f"s{SUFFIX}"


def seen(controller):
    """All that a user can see of what is open."""
    browsing = controller.state.browsing
    layers = [(layer.name, layer.visible, *arrays(layer.data)) for layer in controller.viewer.layers]
    record = controller.session.record().model_dump_json(exclude={"saved"})
    return record, browsing.splits, browsing.surveyed, len(controller.browser.survey), layers


def arrays(data):
    """Bytes of a layer's array, or of each of its outlines."""
    return [np.asarray(array).tobytes() for array in (data if isinstance(data, list) else [data])]


def changed(path, **changes):
    record = json.loads(path.read_text())
    for part, values in changes.items():
        record[part] = {**record[part], **values} if isinstance(values, dict) else values
    path.write_text(json.dumps(record))
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"origin": {"split": "none"}}, "no split 'none'; choose one of: train, val"),
        ({"origin": {"index": 8}}, "no case 8 in split 'train'; it has 8 cases"),
        ({"cases": "x"}, "cases of a session must be a list"),
        ({"cases": [{"source": "s"}]}, "case 1 of the session"),
        ({"display": {"map": "x"}}, "known are"),
        ({"sampling": {"seed": -1}}, "sampling.seed"),
    ],
)
def test_a_session_that_cannot_be_opened_leaves_everything_as_it_is(saved, another, change, says):
    before = seen(another)
    with pytest.raises(AmbisegError, match=says):
        another.session.open(changed(saved, **change))
    still_works(another, before)


def test_a_session_whose_case_cannot_be_read_leaves_everything_as_it_is(controller, saved, another, file):
    controller.browser.close()
    with h5py.File(file, "r+") as damaged:
        damaged["train/images"][2] = np.nan
    before = seen(another)
    with pytest.raises(AmbisegError):
        another.session.open(saved)
    still_works(another, before)


def still_works(controller, before):
    """The same is shown, and the open file can still be read."""
    assert seen(controller) == before
    index = controller.state.browsing.index
    controller.opener.next_case()
    assert controller.state.browsing.index == index + 1
    assert np.array_equal(controller.browser.read(0).image, DemoSet().splits["synthetic"][0].image)


class Closing(DemoSet):
    """Tells whether it was closed."""

    closed = False

    def close(self):
        self.closed = True
        super().close()


@pytest.mark.parametrize(("split", "index"), [("none", 0), (None, 24), (None, -1)])
def test_data_without_the_case_that_is_wanted_are_closed_and_the_others_stay(another, split, index):
    before, cases = seen(another), Closing()
    with pytest.raises(ConfigError, match=r"no (split|case)"):
        another.browser.open(cases, "elsewhere", split, index)
    assert cases.closed
    still_works(another, before)


def test_a_case_that_is_read_blind_is_never_shown_with_its_experts(controller, another, file, tmp_path):
    controller.opener.open_path(file)
    controller.reader.begin()
    controller.reader.say_nothing()
    controller.session.save(tmp_path / f"s{SUFFIX}")
    shown = []
    arrive = another.browser._arrive

    def watched():
        arrive()
        shown.append(another.state.reading.blind)

    another.browser._arrive = watched
    another.session.open(tmp_path / f"s{SUFFIX}")
    assert shown == [True]
    another.tick()
    layer = another.layers.find(EXPERTS)
    assert layer is None or len(layer.data) == 0


def test_cases_that_were_to_begin_blind_do_so_in_the_session_too(controller, another, file, tmp_path):
    controller.opener.open_path(file)
    controller.state.reading.keep = True
    controller.opener.next_case()
    controller.session.save(tmp_path / f"s{SUFFIX}")
    another.session.open(tmp_path / f"s{SUFFIX}")
    assert another.state.reading.blind
    another.opener.next_case(3)
    assert another.state.reading.blind


def test_what_was_read_of_the_case_before_is_not_put_down_in_the_session(another, saved):
    another.reader.begin()
    another.reader.say_nothing()
    before = another.browser.origin, another.browser.key
    another.session.open(saved)
    assert another.casebook.of(another.browser.origin, another.browser.key).note == "theirs"
    assert another.casebook.of(*before).note in ("", "mine")
    assert another.state.reading.note == "theirs"


def test_a_field_that_was_placed_by_hand_comes_back(controller, another, file, tmp_path):
    controller.opener.open_path(file)
    controller.placer.put_box((4, 8), (40, 50))
    placed = controller.state.placing.field
    controller.session.save(tmp_path / f"s{SUFFIX}")
    another.session.open(tmp_path / f"s{SUFFIX}")
    assert (another.state.placing.field, another.state.placing.by_hand) == (placed, True)


def test_a_field_that_no_longer_fits_is_told_and_the_rest_is_taken_over(saved, another, told):
    changed(saved, placing={"field": str(Field(50, 0, 32, 32)), "by_hand": True})
    another.session.open(saved)
    assert another.state.browsing.index == 2
    assert not another.state.placing.by_hand
    assert any("where the model looked" in line and "32" in line for line in told())


def test_files_that_are_no_session_are_refused_with_the_remedy(another, tmp_path):
    for content in (None, "{", '{"a": 1}'):
        path = tmp_path / f"s{SUFFIX}"
        if content is not None:
            path.write_text(content)
        with pytest.raises(DataFormatError, match=r'choose another file; "Save session \.\.\." writes one'):
            another.session.open(path)
