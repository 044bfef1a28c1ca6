"""The viewer's keys, all in one table.

napari asks the selected layer for a key first, then the viewer.  So a key of ours does what it says with nothing or one
of our outlines selected, and what napari means by it in a layer of the user's own: in labels P still paints.  A key
that another plugin has taken stays that plugin's; the button remains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QShortcut,
    QTextEdit,
    QWidget,
)

from napari_ambiseg._compat import unwrapped
from napari_ambiseg.controller import Controller, controller_of
from napari_ambiseg.dock_names import CASES, PLUGIN
from napari_ambiseg.layers.book import role_of
from napari_ambiseg.layers.maps import VOTES
from napari_ambiseg.layers.roles import READING

Verb = Callable[[Controller], None]


@dataclass(frozen=True)
class Key:
    """One key.

    Parameters
    ----------
    key : as napari writes it
    what : what it does, for the list of keys
    press : what it does
    release : what its release does, where that means something
    """

    key: str
    what: str
    press: Verb
    release: Verb | None = None


KEYS = {
    "generate": Key("G", "Generate samples, or cancel", lambda c: c.generate_or_cancel()),
    "pause": Key("P", "Pause the drawing, or go on", lambda c: c.drawing.pause()),
    "next": Key("J", "Next case, in the order of the table", lambda c: c.opener.next_case()),
    "previous": Key("K", "Previous case", lambda c: c.opener.next_case(-1)),
    "bare": Key("H", "Bare image: tap, or hold to peek", lambda c: c.bare.press(), lambda c: c.bare.release()),
    "variance": Key("U", "Variance of the samples, or of the experts, on or off", lambda c: c.overlays.show_variance()),
    "votes": Key("V", "Votes of the experts on or off", lambda c: c.overlays.toggle(VOTES)),
    "back": Key(",", "One step back in the reverse diffusion", lambda c: c.player.step(-1)),
    "forward": Key(".", "One step forward", lambda c: c.player.step(1)),
    "sample": Key("N", "Next sample", lambda c: c.player.next_sample()),
    "blind": Key("B", "Blind read, or reveal", lambda c: read_blind(c)),
    "fill": Key("I", "Blind read: fill the inside of what you painted", lambda c: c.reader.fill()),
    "flag": Key("Q", "Flag the case: important, unsure, none", lambda c: c.reader.next_flag()),
    "window": Key("W", "Next window: which values are black and white", lambda c: c.windowing.cycle()),
    "search": Key("/", "Search the cases", lambda c: search(c)),
}


def hint(name: str) -> str:
    """What a button's text ends with to tell of its key: " [G]"."""
    return f" [{KEYS[name].key}]"


def search(controller: Controller) -> None:
    """Bring the table of cases to the front and start typing in its search field."""
    _raised_cases(controller).start_search()


def read_blind(controller: Controller) -> None:
    """Begin a blind read or reveal it, and bring to the front what is to be done, or how far the outline was."""
    controller.reader.toggle()
    if controller.case is not None:
        _raised_cases(controller).show_reading()


def _raised_cases(controller: Controller) -> Any:
    _, cases = controller.viewer.window.add_plugin_dock_widget(PLUGIN, CASES)
    cases.parent().raise_()
    return cases


class Keys:
    """Binds the keys of one viewer while any of its docks is open.

    Parameters
    ----------
    viewer : whose keys
    """

    def __init__(self, viewer: Any) -> None:
        self._controller = controller_of(viewer)
        self._viewer = self._controller.layers  # which holds it weakly
        self._docks = 0
        self._bound: dict[str, Callable[..., Any]] = {}
        self._on_layers: WeakKeyDictionary[Any, dict[str, Callable[..., Any]]] = WeakKeyDictionary()

    def serve(self, dock: QWidget) -> None:
        """Make the keys work in a dock, whose lists and sliders would swallow some of them, until it is gone."""
        for key in KEYS.values():
            shortcut = QShortcut(QKeySequence(key.key), dock)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.setAutoRepeat(False)  # as napari has it
            shortcut.activated.connect(self._tap(key))
        self._docks += 1
        if self._docks == 1:
            self._bind()
        dock.destroyed.connect(self._leave)

    def _tap(self, key: Key) -> Callable[[], None]:
        def tap() -> None:
            self._press(key)
            if key.release is not None:
                key.release(self._controller)

        return tap

    def _press(self, key: Key) -> None:
        if not is_typing():
            key.press(self._controller)

    def _bind(self) -> None:
        viewer = self._viewer.viewer
        self._bound = {key.key: call for key in KEYS.values() if _bind(viewer, key.key, call := self._call(key))}
        viewer.layers.selection.events.active.connect(self._on_active)
        self._on_active()

    def _leave(self) -> None:
        self._docks -= 1
        if self._docks:
            return
        try:
            viewer = self._viewer.viewer
        except ReferenceError:  # the window is gone, and its keys with it
            return
        viewer.layers.selection.events.active.disconnect(self._on_active)
        _unbind(viewer, self._bound)
        for layer, bound in self._on_layers.items():
            _unbind(layer, bound)
        self._on_layers.clear()
        self._bound = {}

    def _on_active(self, _event: Any = None) -> None:
        """Our outlines are locked: napari's keys to edit shapes would do nothing there but hide ours.

        The layer that the user reads with is painted in: there B still reveals, and P paints.
        """
        layer = self._viewer.viewer.layers.selection.active
        if layer is None or layer in self._on_layers or (role := role_of(layer)) is None:
            return
        ours = {key: call for key, call in self._bound.items() if role != READING or key != KEYS["pause"].key}
        self._on_layers[layer] = {key: call for key, call in ours.items() if _bind(layer, key, call)}

    def _call(self, key: Key) -> Callable[..., Any]:
        """What napari calls, with the viewer or layer that the key was bound to; a generator waits for the release."""
        if key.release is None:
            return lambda _: self._press(key)
        release = key.release

        def hold(_: Any) -> Iterator[None]:
            self._press(key)
            yield
            release(self._controller)

        return hold


_KEYS: WeakKeyDictionary[Any, Keys] = WeakKeyDictionary()


def keys_of(viewer: Any) -> Keys:
    """The keys of a viewer, shared by its docks."""
    viewer = unwrapped(viewer)
    if viewer not in _KEYS:
        _KEYS[viewer] = Keys(viewer)
    return _KEYS[viewer]


def is_typing() -> bool:
    """Whether what has the focus takes letters, digits or signs itself."""
    focus = QApplication.focusWidget()
    if isinstance(focus, QComboBox):
        return bool(focus.isEditable())
    if isinstance(focus, (QLineEdit, QTextEdit, QPlainTextEdit)):
        return not focus.isReadOnly()
    return isinstance(focus, QAbstractSpinBox)


def _bind(provider: Any, key: str, call: Callable[..., Any]) -> bool:
    """Bind a key that is free; whether it was."""
    try:
        provider.bind_key(key, call)
    except ValueError:  # napari's word for "taken"
        return False
    return True


def _unbind(provider: Any, bound: dict[str, Callable[..., Any]]) -> None:
    """Free the keys that are still ours."""
    ours = set(bound.values())
    for key, call in list(provider.keymap.items()):
        if call in ours:
            provider.bind_key(key, None)
