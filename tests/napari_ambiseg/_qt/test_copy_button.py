"""A button that copies says that it did."""

from types import SimpleNamespace

import pytest
from qtpy.QtWidgets import QApplication

from napari_ambiseg._qt.copy_button import CopyButton
from training.errors import ConfigError


@pytest.fixture
def make(qtbot, monkeypatch):
    """Makes a button that has its own words back at once, and the viewer whose status bar it uses."""
    monkeypatch.setattr("napari_ambiseg._qt.copy_button._TOLD_MS", 50)

    def button(give):
        viewer = SimpleNamespace(status="")
        made = CopyButton("Copy numbers", "All of them", give, viewer)
        qtbot.addWidget(made)
        return made, viewer

    return button


@pytest.mark.parametrize(("text", "lines"), [("one", "1 line"), ("a\nb\n", "2 lines"), ("a\nb", "2 lines")])
def test_it_reads_copied_for_a_moment_and_the_status_bar_says_how_much(make, qtbot, text, lines):
    button, viewer = make(lambda: text)
    wide = button.width()
    button.click()
    assert QApplication.clipboard().text() == text
    assert (button.text(), viewer.status) == ("Copied", f"Copied to the clipboard: {lines}")
    assert button.minimumWidth() == wide
    qtbot.waitUntil(lambda: button.text() == "Copy numbers", timeout=2000)


def test_nothing_to_copy_and_an_error_leave_the_clipboard_as_it_is(make, told):
    def fail():
        raise ConfigError("no command draws this")

    QApplication.clipboard().setText("before")
    for give in (lambda: "", fail):
        button, viewer = make(give)
        button.click()
        assert (button.text(), viewer.status, QApplication.clipboard().text()) == ("Copy numbers", "", "before")
    assert told() == ["no command draws this"]
