"""The docks: what they show of the state, and what they ask for when they are used."""

from collections import Counter

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QFileDialog, QLabel, QMenuBar

from napari_ambiseg._qt.case_browser import CaseBrowser
from napari_ambiseg._qt.disagreement_panel import DisagreementPanel
from napari_ambiseg._qt.postprocess_panel import PostprocessPanel
from napari_ambiseg._qt.sampler_panel import SamplerPanel
from napari_ambiseg._qt.trajectory_player import TrajectoryPlayer
from napari_ambiseg._qt.viewer_panel import ViewerPanel, hide_overlays, open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.layers import EXPERT, IMAGE, KEY
from napari_ambiseg.messages import Devices, Finished, Loaded, Stepped
from napari_ambiseg.sources import HDF5
from napari_ambiseg.state import IDLE, NOISY
from training.errors import DataFormatError
from training.metrics import generalized_energy_distance
from training.model_card import find_weights
from training.postprocess import relative_area
from training.records import AnnotatedSlice


class FakeEngine:
    """Remembers what it was asked; the test says what comes back."""

    def __init__(self):
        self.requests, self.answers, self.cancelled = [], [], 0

    def start(self, request):
        self.requests.append(request)
        return len(self.requests)

    def ask_devices(self):
        self.answers.append(Devices(("cuda:0", "cpu")))

    def cancel(self):
        self.cancelled += 1

    def poll(self):
        answers, self.answers = self.answers, []
        return answers

    def stop(self):
        pass


@pytest.fixture
def controller(make_napari_viewer, monkeypatch):
    """A viewer without a window on the screen, whose pulse the tests give by hand."""
    monkeypatch.setattr("napari_ambiseg.controller.Engine", FakeEngine)
    monkeypatch.setattr("napari_ambiseg._qt.dock._BEAT_MS", 10**6)
    return controller_of(make_napari_viewer())


@pytest.fixture
def dock(controller):
    """Makes a dock in the viewer's window."""

    def make(kind):
        made = kind(controller.viewer)
        controller.viewer.window.add_dock_widget(made, name=kind.__name__)
        made.refresh()
        return made

    return make


def draw(controller, masks, times=(1.0, 0.5, 0.0)):
    """Generate, and let the sampling process answer with these masks (N, H, W) at every step."""
    controller.state.sampling.n_samples = len(masks)
    controller.generate()
    last, state = len(times) - 1, masks.astype(np.float16)
    controller.engine.answers += [
        Loaded(1, "demo", "cpu", last, tuple(range(len(times)))),
        *(Stepped(1, at, t, state, state, masks) for at, t in enumerate(times)),
        Finished(1, masks, 1.5, {"model": "demo", "seed": 7}),
    ]
    controller.tick()


def samples_of(controller, n=4):
    """Samples: the largest expert's mask, shifted more and more, and an empty one at the end."""
    largest = max(controller.case.masks, key=np.sum)
    masks = np.stack([np.roll(largest, 2 * i, -1) for i in range(n)])
    masks[-1] = False
    return masks


def test_the_panel_says_that_no_case_is_open(dock):
    panel = dock(DisagreementPanel)
    assert panel.seen.text() == "No case is open"
    assert panel.ged.isHidden()


def test_the_experts_numbers_are_there_without_any_samples(controller, dock):
    panel = dock(DisagreementPanel)
    controller.open_demo()
    controller.open_case(6)
    panel.refresh()
    masks, spacing = controller.case.masks, controller.case.spacing_mm
    assert panel.seen.text() == "Seen by 2 of 4 experts"
    assert panel.empty.text() == "Model: no samples yet"
    assert panel.spread.text().endswith("= 0.53")
    cells = [[label.text() for label in row] for row in panel.pairs._cells]
    union, overlap = (masks[2] | masks[3]).sum(), (masks[2] & masks[3]).sum()
    assert cells[0] == ["–", "0.00", "1.00", "1.00"]  # two empty masks agree; an empty and a drawn one do not
    assert cells[2][3] == cells[3][2] == f"{1 - overlap / union:.2f}"
    assert panel.pairs._unit.text() == "mm²"
    assert panel.pairs._areas[2].text() == f"{masks[2].sum() * spacing[0] * spacing[1]:.0f}"


def test_areas_are_in_pixels_where_no_spacing_is_known_and_for_any_number_of_experts(controller, dock, monkeypatch):
    masks = np.zeros((7, 16, 16), bool)
    masks[0, 4:8, 4:8] = True
    case = AnnotatedSlice(np.zeros((16, 16), np.float32), masks, "patient", "key")
    every_file_holds(monkeypatch, OneSplit([case]))
    controller.open_path("any.h5")
    panel = dock(DisagreementPanel)
    assert panel.seen.text() == "Seen by 1 of 7 experts"
    assert panel.pairs._unit.text() == "px"
    assert [label.text() for label in panel.pairs._areas] == ["16", *["0"] * 6]


def test_after_sampling_the_ged_and_its_terms_add_up(controller, dock):
    controller.open_demo()
    controller.open_case(8)
    masks = samples_of(controller)
    draw(controller, masks)
    panel = dock(DisagreementPanel)
    cross, among_samples, among_experts, v, u = (float(label.text()) for label in panel.ged._values[0])
    assert panel.empty.text() == "Model: empty in 1 of 4"
    assert panel.ged._heads[0].text() == "n = 4"
    assert v == pytest.approx(generalized_energy_distance(masks, controller.case.masks, "V"), abs=5e-4)
    assert u == pytest.approx(generalized_energy_distance(masks, controller.case.masks, "U"), abs=5e-4)
    assert cross - among_samples - among_experts == pytest.approx(v, abs=2e-3)


def test_a_single_sample_has_no_u(controller, dock):
    controller.open_demo()
    draw(controller, controller.case.masks[:1])
    panel = dock(DisagreementPanel)
    assert panel.ged._values[0][-1].text() == "needs n > 1"


def test_the_relative_area_slider_changes_the_numbers_and_reset_brings_them_back(controller, dock):
    controller.open_demo()
    controller.open_case(8)
    masks = samples_of(controller)
    masks[1] = False
    masks[1, :2, :2] = True  # a speck, which r = 0.5 removes
    draw(controller, masks)
    panel, numbers = dock(PostprocessPanel), dock(DisagreementPanel)
    before = panel.ged.text()
    panel.slider.setValue(0.5)
    controller.tick()
    panel.refresh()
    numbers.refresh()
    truth = controller.case.masks
    raw = generalized_energy_distance(masks, truth)
    cleaned = generalized_energy_distance(relative_area(masks, 0.5), truth)
    assert panel.ged.text() == f"GED {raw:.3f} → {cleaned:.3f}"
    assert "Empty samples: 1 → 2 of 4" in panel.details.text()
    assert numbers.empty.text() == "Model: empty in 2 of 4"
    assert numbers.ged._values[1][3].text() == f"{cleaned:.3f}"
    panel.reset.click()
    controller.tick()
    panel.refresh()
    numbers.refresh()
    assert panel.ged.text() == before == f"GED {raw:.3f} → {raw:.3f}"
    assert numbers.ged._values[1][3].isHidden()


def test_generate_sends_what_the_panel_shows(controller, dock):
    controller.open_demo()
    panel = dock(SamplerPanel)
    panel.samples.setValue(3)
    panel.steps.setValue(6)
    panel.seed.setValue(11)
    panel.sampler.setCurrentText("ddpm")
    panel.sampler.activated.emit(panel.sampler.currentIndex())
    panel.generate.click()
    (request,) = controller.engine.requests
    assert (request.n, request.steps, request.seed, request.sampler) == (3, 6, 11, "ddpm")
    assert request.case is controller.case


def test_generate_and_cancel_take_turns(controller, dock):
    panel = dock(SamplerPanel)
    assert not panel.generate.isEnabled()  # no case
    controller.open_demo()
    panel.refresh()
    assert panel.generate.isEnabled()
    assert not panel.cancel.isEnabled()
    panel.generate.click()
    panel.refresh()
    assert not panel.generate.isEnabled()
    assert panel.cancel.isEnabled()
    before = controller.engine.cancelled
    panel.cancel.click()
    panel.refresh()
    assert controller.engine.cancelled == before + 1
    assert not panel.cancel.isEnabled()


def test_the_devices_of_the_sampling_process_are_offered(controller, dock):
    panel = dock(SamplerPanel)
    assert [panel.device.itemText(at) for at in range(panel.device.count())] == ["auto"]
    controller.tick()
    panel.refresh()
    assert [panel.device.itemText(at) for at in range(panel.device.count())] == ["auto", "cuda:0", "cpu"]


SHIPPED = str(find_weights("demo"))


@pytest.mark.parametrize(("chosen", "expected"), [(SHIPPED, SHIPPED), ("", "demo"), ("/no/such.safetensors", "demo")])
def test_a_checkpoint_may_be_chosen_and_the_choice_be_called_off(controller, dock, monkeypatch, chosen, expected):
    panel = dock(SamplerPanel)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (chosen, ""))
    panel.model.setCurrentIndex(panel.model.count() - 1)
    panel.model.activated.emit(panel.model.currentIndex())
    panel.refresh()
    assert controller.state.sampling.model == panel.model.currentData() == expected


def test_provenance_is_shown_when_the_samples_are_there(controller, dock):
    controller.open_demo()
    draw(controller, samples_of(controller))
    panel = dock(SamplerPanel)
    assert panel.message.text() == "4 samples in 1.5 s"
    assert panel.provenance.text() == "model demo, seed 7"
    assert panel.bar.value() == 100


def test_the_step_slider_moves_napari_s_own_and_back(controller, dock):
    controller.open_demo()
    draw(controller, samples_of(controller))
    player, dims = dock(TrajectoryPlayer), controller.viewer.dims
    player.frame.setValue(1)
    player.sample.setValue(2)
    assert dims.current_step[-4:-2] == (2, 1)
    player.refresh()
    assert player.where.text() == "step 1 of 2   t = 0.50   sample 3 of 4"
    dims.set_current_step((0, 1), (3, 2))
    player.refresh()
    assert (player.sample.value(), player.frame.value()) == (3, 2)


def test_the_player_plays_round_and_stops(controller, dock):
    controller.open_demo()
    draw(controller, samples_of(controller))
    player = dock(TrajectoryPlayer)
    player.frame.setValue(2)
    player.play.click()
    player.refresh()
    assert player._timer.isActive()
    player._timer.timeout.emit()
    assert controller.state.playback.frame == 0
    player.play.click()
    player.refresh()
    assert not player._timer.isActive()


def test_the_noisy_state_can_be_shown(controller, dock):
    player = dock(TrajectoryPlayer)
    player.quantity.setCurrentIndex(player.quantity.findData(NOISY))
    player.quantity.activated.emit(player.quantity.currentIndex())
    assert controller.state.playback.quantity == NOISY


def test_the_curve_has_one_point_per_state(controller, dock):
    controller.open_demo()
    draw(controller, samples_of(controller))
    player = dock(TrajectoryPlayer)
    times, values = player.curve._line.getData()
    assert list(times) == [1.0, 0.5, 0.0]
    assert values == pytest.approx([controller.state.disagreement.raw.ged_v] * 3)


def test_switches_of_the_maps_show_and_hide_their_layers(controller, dock):
    controller.open_demo()
    draw(controller, samples_of(controller))
    panel = dock(DisagreementPanel)
    for button, name in ((panel.variance, "variance"), (panel.votes, "expert votes")):
        button.click()
        assert controller.viewer.layers[name].visible
        button.click()
        assert not controller.viewer.layers[name].visible


def every_file_holds(monkeypatch, dataset):
    monkeypatch.setattr("napari_ambiseg.controller.layout_of", lambda _: HDF5)
    monkeypatch.setattr("napari_ambiseg.browser.open_isolated", lambda _: dataset)


class Split:
    """A split whose cases are all the same one; counts how many were read."""

    def __init__(self, cases):
        self._cases, self.read = cases, 0
        self.keys = tuple(f"case {at}" for at in range(len(cases)))
        self.patients = tuple(f"patient {at % 50}" for at in range(len(cases)))

    def __len__(self):
        return len(self._cases)

    def __getitem__(self, index):
        self.read += 1
        return self._cases[index]


class OneSplit:
    def __init__(self, cases):
        self.splits = {"train": Split(cases), "test": Split(cases[:1])}

    def close(self):
        pass


def disagreeing(at):
    """A case whose experts disagree more, the larger ``at`` is."""
    masks = np.zeros((2, 16, 16), bool)
    masks[:, 0] = True
    masks[1, : at + 1] = True
    return AnnotatedSlice(np.zeros((16, 16), np.float32), masks, "patient", "key")


def column(browser, at):
    model = browser.table.model()
    return [model.index(row, at).data() for row in range(model.rowCount())]


def test_the_table_lists_the_split_and_ranks_it(controller, dock, monkeypatch):
    every_file_holds(monkeypatch, OneSplit([disagreeing(at) for at in (1, 5, 3)]))
    controller.open_path("any.h5")
    while not controller.survey.done:
        controller.tick()
    browser = dock(CaseBrowser)
    assert column(browser, 0) == ["case 0", "case 1", "case 2"]
    assert column(browser, 2) == ["2 of 2"] * 3
    assert [float(text) for text in column(browser, 3)] == pytest.approx([1 / 4, 5 / 12, 3 / 8], abs=0.006)
    browser.table.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    assert column(browser, 0) == ["case 1", "case 2", "case 0"]
    browser.table.setCurrentIndex(browser.table.model().index(1, 0))
    assert controller.state.browsing.key == "case 2"
    browser.previous.click()
    assert controller.state.browsing.key == "case 1"
    browser.split.setCurrentText("test")
    browser.split.activated.emit(1)
    browser.refresh()
    assert column(browser, 0) == ["case 0"]


def test_nine_thousand_cases_are_listed_without_reading_them(controller, dock, monkeypatch):
    dataset = OneSplit([disagreeing(3)] * 9000)
    every_file_holds(monkeypatch, dataset)
    controller.open_path("any.h5")
    browser = dock(CaseBrowser)
    assert browser.table.model().rowCount() == 9000
    assert column(browser, 3)[-1] == "..."
    assert dataset.splits["train"].read == 1


def test_a_case_that_cannot_be_read_is_named_and_the_rest_stays_usable(controller, dock, monkeypatch):
    class Torn(Split):
        def __getitem__(self, index):
            if index == 1:
                raise DataFormatError("slice 1 is torn")
            return super().__getitem__(index)

    dataset = OneSplit([disagreeing(3)] * 3)
    dataset.splits["train"] = Torn([disagreeing(3)] * 3)
    every_file_holds(monkeypatch, dataset)
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
    controller.open_path("any.h5")
    while not controller.survey.done:
        controller.tick()
    browser = dock(CaseBrowser)
    assert column(browser, 2) == ["2 of 2", "unreadable", "2 of 2"]
    browser.table.setCurrentIndex(browser.table.model().index(1, 0))
    assert told == ["slice 1 is torn"]
    browser.table.setCurrentIndex(browser.table.model().index(2, 0))
    assert controller.state.browsing.index == 2


def test_a_bad_file_is_one_notification(controller, dock, monkeypatch, tmp_path):
    bad = tmp_path / "bad.h5"
    bad.write_bytes(b"not HDF5")
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(bad), ""))
    dock(CaseBrowser).empty.file.click()
    (text,) = told
    assert str(bad) in text
    assert "\n" not in text


def test_the_overlays_can_be_lifted_and_come_back_as_they_were(controller):
    controller.open_demo()
    viewer = controller.viewer
    viewer.layers["expert 3"].visible = False
    own = viewer.add_points([[1, 1]])
    shown = {layer.name for layer in viewer.layers if layer.visible}
    hidden = hide_overlays(viewer)
    assert {layer.name for layer in viewer.layers if layer.visible} == {"image", own.name}
    for layer in hidden:
        layer.visible = True
    assert {layer.name for layer in viewer.layers if layer.visible} == shown


def test_previous_and_next_stop_at_the_ends(controller, dock):
    panel = dock(ViewerPanel)
    controller.open_demo()
    panel.refresh()
    assert not panel.previous.isEnabled()
    panel.next.click()
    panel.refresh()
    assert panel.where.text() == "synthetic 02  (2 of 24)"
    controller.open_case(23)
    panel.refresh()
    assert not panel.next.isEnabled()


def test_a_hidden_dock_does_no_work_until_it_is_seen(controller, dock, monkeypatch):
    panel = dock(DisagreementPanel)
    refreshed = []
    monkeypatch.setattr(panel, "refresh", lambda: refreshed.append(True))
    controller.open_demo()
    panel._on_beat()
    assert refreshed == []


def test_every_control_has_a_tooltip_and_a_key_of_its_own(controller):
    docks = open_all_docks(controller.viewer)
    controls = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox)
    letters = []
    for menu in controller.viewer.window._qt_window.findChildren(QMenuBar):
        letters += [mnemonic(action.text()) for action in menu.actions()]
    for dock in docks.values():
        ours = [vars(dock), *(vars(part) for part in vars(dock).values() if hasattr(part, "_controller"))]
        for widget in (value for names in ours for value in names.values() if isinstance(value, controls)):
            assert widget.toolTip(), f"{type(dock).__name__}: {widget} has no tooltip"
        letters += [mnemonic(label.text()) for label in dock.findChildren(QLabel) if label.buddy()]
        letters += [mnemonic(button.text()) for button in dock.findChildren(QAbstractButton)]
    shared = {letter: count for letter, count in Counter(letters).items() if letter and count > 1}
    # The empty case browser offers the two ways to begin as well, and only while nothing is open.
    assert shared == {"d": 2, "o": 2}


def mnemonic(text):
    return text.partition("&")[2][:1].lower()


def test_no_dock_needs_more_height_than_a_small_screen_has(controller):
    for name, dock in open_all_docks(controller.viewer).items():
        assert dock.minimumHeight() <= 200, name


def test_experts_and_image_are_marked_by_role(controller):
    controller.open_demo()
    roles = [layer.metadata[KEY]["role"] for layer in controller.viewer.layers]
    assert roles[0] == IMAGE
    assert roles.count(EXPERT) == 4
    assert controller.state.sampling.status == IDLE
