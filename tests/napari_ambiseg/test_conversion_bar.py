"""The conversion bar: what it shows of an offer, a run and a result, and the whole way in a real window."""

import shutil
import time
from functools import partial

import numpy as np
import psutil
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QRadioButton, QWidget

from napari_ambiseg._qt.conversion_bar import ConversionBar
from napari_ambiseg._qt.dock import pulse_of
from napari_ambiseg._qt.viewer_panel import open_all_docks
from napari_ambiseg.controller import controller_of
from napari_ambiseg.converting import Converter
from napari_ambiseg.state import (
    CANCELLING,
    CONVERTED,
    CONVERTING,
    COUNTING,
    NOTHING,
    OFFERED,
    Converting,
    ViewerState,
)
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case


class FakeController:
    """Remembers which verbs of the converter the bar used."""

    def __init__(self):
        self.state, self.used, self.converter = ViewerState(), [], self

    def start(self):
        self.used.append("convert")

    def write_to(self, target):
        self.used.append(str(target))

    def open_target(self):
        self.used.append("open")

    def cancel(self):
        self.used.append("cancel")


@pytest.fixture
def bar(qtbot):
    """A bar, and a way to put it into a state."""
    made = ConversionBar(FakeController())
    qtbot.addWidget(made)

    def show(**values):
        for name, value in values.items():
            setattr(made._state, name, value)
        made.refresh()
        return made

    show(source="/data/LIDC", target="/data/LIDC.ambiseg.hdf5", summary="folders of slices")
    made.put = show
    return made


def parts(bar):
    """The parts that are to be seen."""
    names = ("headline", "about", "target", "browse", "bar", "details", "convert", "open", "copy", "more", "cancel")
    return {name for name in names if not getattr(bar, name).isHidden()}


def test_nothing_is_shown_while_nothing_is_offered(bar):
    assert bar.isHidden()


@pytest.mark.parametrize(
    ("status", "text"),
    [(COUNTING, "LIDC: counting its slices ..."), (OFFERED, "LIDC: 8 patients, about 207 slices. Convert?")],
)
def test_an_offer_says_what_it_is_how_much_and_where_it_goes(bar, status, text):
    bar.put(status=status, patients=8, slices=207)
    assert parts(bar) == {"headline", "about", "target", "browse", "convert", "copy", "cancel"}
    assert bar.headline.text() == text
    assert bar.about.text() == "Folders of slices"
    assert bar.target.text() == "To /data/LIDC.ambiseg.hdf5"
    bar.convert.click()
    bar.cancel.click()
    assert bar._controller.used == ["convert", "cancel"]


def test_a_file_made_earlier_can_be_opened_or_made_again(bar):
    bar.put(status=OFFERED, target_exists=True)
    assert parts(bar) == {"headline", "about", "target", "browse", "convert", "open", "copy", "cancel"}
    assert bar.convert.text() == "Convert again"
    bar.open.click()
    assert bar._controller.used == ["open"]


@pytest.mark.parametrize(("chosen", "used"), [("/else/a.hdf5", ["/else/a.hdf5"]), ("", [])])
def test_the_target_may_be_chosen_and_the_choice_be_called_off(bar, monkeypatch, chosen, used):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (chosen, ""))
    bar.put(status=OFFERED)
    bar.browse.click()
    assert bar._controller.used == used


def test_a_run_has_a_bar_a_time_and_a_way_out(bar):
    bar.put(status=CONVERTING)
    assert parts(bar) == {"headline", "target", "bar", "cancel"}
    assert (bar.bar.maximum(), bar.bar.format()) == (0, "reading ...")
    bar.put(done=1120, total=15096, seconds_left=183.0)
    assert (bar.bar.value(), bar.bar.maximum(), bar.bar.format()) == (1120, 15096, "1,120 of 15,096, 3 min left")
    bar.cancel.click()
    bar.put(status=CANCELLING)
    assert bar.bar.format() == "cancelling ..."
    assert not bar.cancel.isEnabled()
    bar.put(status=OFFERED)
    assert bar.cancel.isEnabled()


def test_a_result_is_one_line_with_its_reasons_on_demand(bar):
    bar.put(status=CONVERTED, result="204 slices of 8 patients; 3 left out", details="3 left out: no expert drew")
    assert parts(bar) == {"headline", "target", "more", "cancel"}
    assert bar.headline.text() == "Converted: 204 slices of 8 patients; 3 left out"
    assert bar.cancel.text() == "Close"
    bar.more.click()
    bar.put()
    assert parts(bar) == {"headline", "target", "details", "more", "cancel"}
    assert bar.details.toPlainText() == "3 left out: no expert drew"
    bar.put(status=NOTHING)
    bar.put(status=CONVERTED, details="")
    assert parts(bar) == {"headline", "target", "cancel"}


def test_a_new_file_that_is_not_open_yet_can_be_opened(bar):
    bar.put(status=CONVERTED, result="204 slices of 8 patients", unopened=True)
    assert parts(bar) == {"headline", "target", "open", "cancel"}
    assert bar.open.text() == "Open"
    bar.open.click()
    assert bar._controller.used == ["open"]
    bar.put(unopened=False)
    assert parts(bar) == {"headline", "target", "cancel"}


def test_what_is_wrong_and_what_can_be_chosen_stand_in_the_offer(bar):
    shown = bar.put(status=OFFERED, source="/data/mine", problem="/data/mine: say --window L..H", takes_window=True)
    assert shown.headline.text() == "mine: not converted"
    assert shown.problem.text() == "/data/mine: say --window L..H"
    assert not shown.problem.isHidden()
    assert not shown.window_choice.isHidden()
    shown.window_choice.setCurrentText("0..4095")
    shown.size_choice.setValue(128)
    assert (shown._state.window, shown._state.size) == ("0..4095", 128)
    shown = bar.put(takes_window=False, problem="", slices=3, patients=1)
    assert shown.window_choice.isHidden()
    assert shown.problem.isHidden()


def test_a_name_that_looks_like_markup_is_shown_as_it_is(bar):
    bar.put(status=OFFERED, source="/data/<img src='x'>")
    assert bar.headline.textFormat() == Qt.TextFormat.PlainText


def test_the_command_of_an_offer_goes_to_the_clipboard(bar):
    shown = bar.put(status=OFFERED, layout="nifti", window="lung", size=64)
    shown.copy.click()
    assert QApplication.clipboard().text() == (
        "ambiseg prepare /data/LIDC /data/LIDC.ambiseg.hdf5 --layout nifti --window lung --size 64"
    )


def test_the_list_of_windows_tells_their_values_and_chooses_them_by_name(bar):
    shown = bar.put(status=OFFERED, takes_window=True)
    listed = [shown.window_choice.itemText(at) for at in range(shown.window_choice.count())]
    assert listed == ["auto", "lung: -1000..400", "wide: -1000..1000", "slice"]
    shown.window_choice.setCurrentIndex(1)
    assert shown._state.window == "lung"
    shown = bar.put(window="wide")
    assert shown.window_choice.currentText() == "wide: -1000..1000"
    assert shown._state.window == "wide"


# -- in the window -------------------------------------------------------------------------------------------------


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch, slow_conversion):
    monkeypatch.setattr("napari_ambiseg.controller.Converter", partial(Converter, convert=slow_conversion))
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1600, 1000)
    return viewer


@pytest.fixture
def opened(viewer):
    """The docks and the controller of a viewer."""
    docks = open_all_docks(viewer)
    QApplication.processEvents()
    panel = docks["Disagreement viewer"]
    return panel, panel.controller


@pytest.fixture
def wait(qtbot):
    def until(condition, seconds=30):
        qtbot.waitUntil(condition, timeout=seconds * 1000)

    return until


def test_from_a_folder_to_its_first_case_without_a_pause(opened, wait, qtbot, slices_folder):
    panel, controller = opened
    bar, state = panel.conversion, controller.state.converting
    qtbot.wait(600)  # until the docks share the height for good
    height, beats = panel.height(), []
    pulse_of(panel.viewer).beat.connect(lambda: beats.append(time.monotonic()))
    controller.opener.open_path(slices_folder)
    wait(lambda: bar.headline.text() == "slices: 2 patients, about 6 slices. Convert?")
    assert panel.viewport().rect().contains(bar.convert.mapTo(panel.viewport(), bar.convert.rect().bottomRight()))
    bar.convert.click()
    wait(lambda: bar.bar.value() > 0)
    wait(lambda: state.status == CONVERTED)
    assert np.median(np.diff(beats)) < 0.25  # on a busy machine that draws by software; 0.05 is asked for
    wait(lambda: panel.where.text().endswith(")"))
    assert controller.state.browsing.source == str(slices_folder) + ".ambiseg.hdf5"
    assert "image" in panel.viewer.layers
    wait(lambda: bar.headline.text() == "Converted: 5 slices of 2 patients; 1 left out")
    bar.cancel.click()
    wait(lambda: bar.isHidden() and panel.height() <= height + 2)  # the room is given back


def test_a_cancelled_run_can_be_started_again(opened, wait, slices_folder):
    panel, controller = opened
    bar, state = panel.conversion, controller.state.converting
    controller.opener.open_path(slices_folder)
    controller.converter.start()
    wait(lambda: bar.bar.value() > 0)
    began = time.monotonic()
    bar.cancel.click()
    wait(lambda: state.status == OFFERED)
    assert time.monotonic() - began < 2
    assert [path.name for path in slices_folder.parent.iterdir()] == ["slices"]
    wait(bar.convert.isVisible)
    bar.convert.click()
    wait(lambda: state.status == CONVERTED)


def test_closing_the_window_ends_the_conversion_and_leaves_no_half_file(opened, wait, slices_folder, slow_conversion):
    panel, controller = opened
    controller.converter._convert = slow_conversion  # or a busy machine may look when it is done
    state, before = controller.state.converting, set(psutil.Process().children())
    controller.opener.open_path(slices_folder)
    controller.converter.start()
    wait(lambda: state.done > 0)
    children = set(psutil.Process().children()) - before
    assert children
    panel.viewer.close()
    wait(lambda: not any(child.is_running() for child in children))
    assert [path.name for path in slices_folder.parent.iterdir()] == ["slices"]


def test_the_folder_button_opens_what_was_chosen(opened, monkeypatch, slices_folder):
    panel, controller = opened
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(slices_folder))
    folder = next(button for button in panel.findChildren(QWidget) if getattr(button, "folder", None)).folder
    folder.click()
    assert controller.state.converting.source == str(slices_folder)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    folder.click()
    assert controller.state.converting.source == str(slices_folder)


# -- napari's own doors --------------------------------------------------------------------------------------------


def test_napari_s_menu_asks_who_reads_a_folder_and_both_answers_work(viewer, monkeypatch, slices_folder):
    """It asks wherever two plugins take folders, and knows nothing of what is in them."""
    offered = []

    def choose(name):
        def answer(dialog):
            offered.append(sorted(button.text() for button in dialog.findChildren(QRadioButton)))
            return name, False

        monkeypatch.setattr("napari._qt.dialogs.qt_reader_dialog.QtReaderDialog.get_user_choices", answer)

    choose("Ambiguous segmentation")
    viewer.window._qt_viewer._qt_open([str(slices_folder)], stack=False)
    assert controller_of(viewer).state.converting.source == str(slices_folder)
    assert len(viewer.layers) == 0
    choose("napari builtins")
    pictures = slices_folder / "LIDC-IDRI-0001" / "nodule-0" / "images"
    viewer.window._qt_viewer._qt_open([str(pictures)], stack=False)
    assert [layer.data.shape for layer in viewer.layers] == [(3, 128, 128)]
    assert offered == [["Ambiguous segmentation", "napari builtins"]] * 2


# -- what is dropped -----------------------------------------------------------------------------------------------


def drop(viewer, *paths):
    """Drop paths on the canvas, as Qt would."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    target = viewer.window._qt_viewer
    QApplication.sendEvent(target, QDragEnterEvent(QPoint(5, 5), *how))
    QApplication.sendEvent(target, QDropEvent(QPointF(5, 5), *how))


@pytest.fixture
def naparis(monkeypatch):
    """What napari was left to open."""
    taken = []
    monkeypatch.setattr("napari._qt.qt_viewer.QtViewer._qt_open", lambda _, names, **__: taken.append(names))
    return taken


def test_a_dropped_folder_of_ours_is_offered_without_a_question(viewer, naparis, opened, wait, slices_folder):
    panel, controller = opened
    wait(lambda: panel.drops is not None)
    drop(viewer, slices_folder)
    assert controller.state.converting.source == str(slices_folder)
    assert naparis == []


def test_a_dropped_hdf5_file_of_ours_opens_at_once(viewer, naparis, opened, wait, tmp_path):
    panel, controller = opened
    path = tmp_path / "cases.hdf5"
    write_dataset(path, {"train": [phantom_case(0, seed=3, size=32).slice]}, {})
    wait(lambda: panel.drops is not None)
    drop(viewer, path)
    assert controller.state.browsing.source == str(path)
    assert naparis == []


def test_whatever_else_is_dropped_is_napari_s(viewer, naparis, opened, wait, tmp_path, slices_folder):
    panel, controller = opened
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for at in range(3):
        shutil.copy(slices_folder / "LIDC-IDRI-0001/nodule-0/images/slice-0.png", pictures / f"{at}.png")
    wait(lambda: panel.drops is not None)
    drop(viewer, pictures)
    drop(viewer, slices_folder, slices_folder)
    assert naparis == [[str(pictures)], [str(slices_folder), str(slices_folder)]]
    assert controller.state.converting == Converting()
