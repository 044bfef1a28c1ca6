"""The choice of a model, and what its card says."""

from __future__ import annotations

import html
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_ambiseg._qt.named_box import NamedBox
from napari_ambiseg._qt.text_label import text_label
from napari_ambiseg.controller import Controller
from napari_ambiseg.known_models import about
from napari_ambiseg.notices import notifying
from training.errors import AmbisegError
from training.model_card import ModelCard
from training.sampling_wish import SamplingWish
from training.segmenters.experts import REFERENCES

_CHECKPOINT, _RUN = "choose a checkpoint ...", "choose a training folder ..."
_TOOLTIP = "What draws the masks: a model that comes with the program, one of your own, or a reference"


class ModelBox(NamedBox):
    """The models that there are, and two ways to add one's own.

    Parameters
    ----------
    controller : its state gets the choice
    dialogs : parent of the file dialogs

    Attributes
    ----------
    card : of the model that is chosen; None for a reference, and where it cannot be read
    about : what that card says
    """

    def __init__(self, controller: Controller, dialogs: QWidget) -> None:
        super().__init__(_TOOLTIP, self._choose)
        self._controller, self._dialogs = controller, dialogs
        self._sampling, self._models = controller.state.sampling, controller.models
        self.card: ModelCard | None = None
        self._problem = ""  # why there is no card
        self._read: str | None = None  # name of the model whose card that is
        self._shown = ""
        self.about = text_label("What the model's card says")

    def refresh(self) -> None:
        """Show the models and the card of the one that is chosen."""
        name = self._sampling.model
        shown = {known: short_name(known) for known in (*self._models.names(), name)}
        tooltips = {known: _reference(known) or known for known in shown}
        self.offer(
            {**shown, _CHECKPOINT: _CHECKPOINT, _RUN: _RUN},
            {
                **tooltips,
                _CHECKPOINT: "A .safetensors file",
                _RUN: "Its newest checkpoint",
            },
        )
        self.show_name(name)
        if name != self._read:  # not at each refresh: the disk may be far away
            self._read = name
            self._read_card(name)
        said = {"": self._problem or _reference(name)} if self.card is None else about(self.card)
        text = "<br>".join(f"<b>{what}</b> {html.escape(line)}" for what, line in said.items())
        if text != self._shown:
            self._shown = text
            self.about.setText(text)
            self.setToolTip(f"{_TOOLTIP}<br>{text}")

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Look for models anew."""
        self._models.look()
        self._read = None
        self.refresh()
        super().showPopup()

    def _read_card(self, name: str) -> None:
        try:
            self.card, self._problem = self._models.card(name), ""
        except AmbisegError as error:
            self.card, self._problem = None, str(error)

    def _choose(self, name: str | None) -> None:
        if name in (_CHECKPOINT, _RUN):
            name = self._ask(name)
        if name and name != self._sampling.model:
            self._sampling.wish = SamplingWish()  # the last one's wishes may be none of this model's
            self._sampling.model = name
        else:
            self.refresh()  # the box must go back

    def _ask(self, what: str) -> str:
        """A model of the user's own; "" where none was chosen."""
        if what == _RUN:
            path = QFileDialog.getExistingDirectory(self._dialogs, "Choose the folder of a training run")
        else:
            path, _ = QFileDialog.getOpenFileName(
                self._dialogs, "Choose a checkpoint", "", "Checkpoints (*.safetensors)"
            )
        with notifying():
            return self._models.choose(path) if path else ""
        return ""


def _reference(name: str) -> str:
    """What a reference is; "" for any other model."""
    return REFERENCES[name].about if name in REFERENCES else ""


def short_name(model: str) -> str:
    """A path's last two parts: what tells one checkpoint from another."""
    return "/".join(Path(model).parts[-2:])
