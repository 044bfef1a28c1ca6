"""The Output dock: offers what can be written, asks before it replaces, and never widens the window."""

import time

import pytest
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_ambiseg._qt.output_panel import OutputPanel
from napari_ambiseg._qt.replacing import question
from napari_ambiseg.controller import controller_of
from napari_ambiseg.products import FIGURE, MASKS, MOVIE, NUMBERS, PRODUCTS, READINGS
from napari_ambiseg.session_file import SUFFIX

from ..played_engine import PlayedEngine, draw


@pytest.fixture
def engine():
    return PlayedEngine()


@pytest.fixture
def dock(make_napari_viewer, monkeypatch, engine):
    """The dock in a viewer whose pulse the test gives by hand."""
    monkeypatch.setattr("napari_ambiseg.controller.Engine", lambda: engine)
    monkeypatch.setattr("napari_ambiseg._qt.dock._BEAT_MS", 10**6)
    viewer = make_napari_viewer()
    dock = OutputPanel(viewer)
    viewer.window.add_dock_widget(dock, name="Output", area="right")
    controller_of(viewer).state.sampling.n_samples = 4
    return dock


@pytest.fixture
def drawn(dock, engine, file):
    """The dock with samples of a case."""
    dock.controller.opener.open_path(file)
    draw(dock.controller, engine)
    dock.refresh()
    return dock


@pytest.fixture
def answers(monkeypatch):
    """Answers to dialogs: the path to write to, and whether to replace; what was asked is remembered."""
    given = {"path": "", "replace": False, "asked": []}

    def question(parent, title, text, *_):
        given["asked"].append(text)
        return QMessageBox.StandardButton.Yes if given["replace"] else QMessageBox.StandardButton.No

    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(given["path"]), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(given["path"]), ""))
    monkeypatch.setattr(QMessageBox, "question", question)
    return given


def wait(dock):
    end = time.monotonic() + 60
    while dock.state.output.writing:
        assert time.monotonic() < end
        dock.controller.output.update()
        QApplication.processEvents()
    dock.refresh()


def test_without_samples_every_button_says_what_is_missing(dock):
    dock.refresh()
    for product, button in dock.buttons.items():
        assert not button.isEnabled()
        missing = "open a case first" if product == READINGS else "generate samples first"
        assert missing in button.toolTip().lower(), product
    assert not dock.session.save.isEnabled()
    assert dock.session.about.text() == "Nothing is open."


def test_with_samples_every_button_says_what_it_makes(drawn):
    for product, button in drawn.buttons.items():
        assert button.isEnabled()
        assert button.toolTip() == PRODUCTS[product].tip
    assert drawn.about.text().startswith("4 masks of ")
    assert drawn.session.save.isEnabled()


def test_a_name_without_an_end_gets_the_chosen_one(drawn, answers, tmp_path):
    answers["path"] = tmp_path / "reading 1.5"
    drawn.forms[MASKS].setCurrentIndex(drawn.forms[MASKS].findData(".npz"))
    drawn.buttons[MASKS].click()
    wait(drawn)
    assert (tmp_path / "reading 1.5.npz").is_file()
    assert drawn.message.text() == "reading 1.5.npz is written"
    assert not drawn.folder.isHidden()
    assert answers["asked"] == []


def test_a_file_that_is_there_is_replaced_only_if_the_user_says_so(drawn, answers, tmp_path):
    answers["path"] = tmp_path / "n.csv"
    answers["path"].write_text("mine")
    drawn.buttons[NUMBERS].click()
    wait(drawn)
    assert answers["path"].read_text() == "mine"
    answers["replace"] = True
    drawn.buttons[NUMBERS].click()
    wait(drawn)
    assert answers["path"].read_text().startswith("part,")
    assert len(answers["asked"]) == 2


def test_all_files_of_a_form_with_several_are_asked_for(drawn, answers, tmp_path):
    for name in ("m.expert-1.nii.gz", "m.sample-02.nii.gz"):
        (tmp_path / name).write_text("mine")
    answers["path"] = tmp_path / "m.nii.gz"
    drawn.buttons[MASKS].click()
    assert "2 files exist" in answers["asked"][0]
    assert "m.expert-1.nii.gz\nm.sample-02.nii.gz" in answers["asked"][0]
    assert (tmp_path / "m.expert-1.nii.gz").read_text() == "mine"


def test_a_long_list_of_files_is_counted(tmp_path):
    text = question([tmp_path / f"{i}.nii" for i in range(9)])
    assert text.startswith("9 files exist in ")
    assert "3.nii\nand 5 more" in text


def test_what_a_movie_shows_is_chosen_once_for_both_docks(drawn, answers, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(drawn.controller.output, "write", lambda *args: asked.append(args))
    answers["path"] = tmp_path / "m.gif"
    drawn.state.playback.sample = 3
    for at, part, speed in ((0, 0, 5.0), (1, 1, 20.0)):
        drawn.which.setCurrentIndex(at)
        drawn.which.activated.emit(at)
        drawn.part.setCurrentIndex(part)
        drawn.part.activated.emit(part)
        drawn.pace.setCurrentIndex(drawn.pace.findData(speed))
        drawn.pace.activated.emit(drawn.pace.currentIndex())
        drawn.refresh()
        assert (drawn.which.currentIndex(), drawn.part.currentIndex()) == (at, part)
        drawn.buttons[MOVIE].click()
    looks = [(options.look.sample, options.look.closeup, options.pace.fps) for *_, options in asked]
    assert looks == [(None, True, 5.0), (3, False, 20.0)]
    assert drawn.state.playback.frames_per_second == 20.0  # a movie plays as the trajectory does


def test_an_abandoned_dialog_writes_nothing(drawn, answers, tmp_path):
    for button in (*drawn.buttons.values(), drawn.session.save, drawn.session.open):
        button.click()
    assert drawn.state.output.writing == ""
    assert drawn.state.sessions.path == ""


def test_a_wrong_end_is_told_and_nothing_begins(drawn, answers, tmp_path):
    answers["path"] = tmp_path / "no" / "f.pdf"
    drawn.buttons[FIGURE].click()
    wait(drawn)
    assert "choose another place" in drawn.message.text()
    assert drawn.folder.isHidden()


def test_while_something_is_written_nothing_else_begins_and_it_can_be_stopped(drawn, answers, tmp_path):
    answers["path"] = tmp_path / "frames"
    drawn.forms[MOVIE].setCurrentIndex(drawn.forms[MOVIE].findData(""))
    drawn.buttons[MOVIE].click()
    drawn.refresh()
    assert not any(button.isEnabled() for button in drawn.buttons.values())
    assert not drawn.stop.isHidden()
    drawn.stop.click()
    wait(drawn)
    assert drawn.stop.isHidden()
    assert drawn.buttons[MOVIE].isEnabled()


def test_what_is_written_is_told_at_the_top_and_brought_into_sight_once(windowless, qtbot):
    panel = OutputPanel(windowless)
    qtbot.addWidget(panel)
    panel.resize(390, 160)  # of a window of 1280 x 720
    panel.show()
    panel.refresh()
    bar, output = panel.verticalScrollBar(), panel.state.output
    for change, what in (
        ({"writing": "case report"}, panel.stop),
        ({"writing": "", "message": "case.html is written", "written": "/data/case.html"}, panel.folder),
    ):
        bar.setValue(bar.maximum())
        assert bar.value() > 0
        for name, value in change.items():
            setattr(output, name, value)
        panel.refresh()
        QApplication.processEvents()
        assert panel.viewport().rect().contains(what.mapTo(panel.viewport(), what.rect().bottomRight()))
        bar.setValue(40)
        output.progress += 0.2  # the user looks at something else meanwhile
        panel.refresh()
        assert bar.value() == 40


def test_a_session_is_saved_with_its_end_and_opened_again(drawn, answers, tmp_path):
    answers["path"] = tmp_path / "mine"
    drawn.session.save.click()
    drawn.refresh()
    path = tmp_path / f"mine{SUFFIX}"
    assert path.is_file()
    assert drawn.session.about.text().startswith(f"mine{SUFFIX}; kept at ")
    key = drawn.state.browsing.key
    drawn.controller.opener.next_case()
    answers["path"] = path
    drawn.session.open.click()
    assert drawn.state.browsing.key == key
    assert drawn.controller.results.run is not None
    drawn.session.save.click()  # its own file is not asked for
    assert answers["asked"] == []


def test_what_was_lost_is_offered_only_where_there_is_something(drawn, answers):
    assert drawn.session.offer.isHidden()
    drawn.state.sessions.offered = "2026-11-22 18:03: lidc.hdf5; 7 drawings"
    drawn.refresh()
    assert not drawn.session.offer.isHidden()
    assert "7 drawings" in drawn.session.offer.text.text()
    drawn.session.offer.discard.click()
    drawn.refresh()
    assert not drawn.session.offer.isHidden()  # asked, and not agreed to
    assert "7 drawings" in answers["asked"][-1]
    answers["replace"] = True
    drawn.session.offer.discard.click()
    drawn.refresh()
    assert drawn.session.offer.isHidden()


def test_a_blind_read_tells_nothing(drawn):
    drawn.state.reading.blind = True
    drawn.refresh()
    assert drawn.about.text() == "This is a blind read: reveal first."
    assert not any(button.isEnabled() for button in drawn.buttons.values())


def test_the_dock_fits_beside_the_canvas_of_a_small_window(drawn):
    drawn.state.output.message = "cannot write /" + "a_very_long_folder/" * 20
    drawn.state.output.written = drawn.state.output.message
    drawn.refresh()
    assert drawn.content.minimumSizeHint().width() <= 374  # 390 less a scroll bar
