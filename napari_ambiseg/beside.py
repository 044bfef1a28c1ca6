"""Pictures side by side in napari's grid, with one camera for all; what was there before comes back afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from napari_ambiseg._compat import changed_together, grid_of, text_overlay
from napari_ambiseg.framing import Framing
from napari_ambiseg.layers.book import LayerBook, role_of
from napari_ambiseg.layers.cells import Picture, is_cell
from napari_ambiseg.layers.roles import IMAGE, LayerData

_SPACING = 4  # pixels of the screen
_REASON = "beside"


class Beside:
    """Shows pictures side by side.

    The cells lie below all other layers, which are off meanwhile: so they fill napari's grid from its first place on,
    in every version of it.

    Parameters
    ----------
    layers : the layers of the viewer
    framing : its camera, which shows the same part of the slice in each cell as before, and afterwards
    """

    def __init__(self, layers: LayerBook, framing: Framing) -> None:
        self._layers, self._framing = layers, framing
        self._before: dict[str, Any] = {}  # the grid and what else is restored
        self._shown: list[tuple[str, ...]] = []  # kinds of the layers of each picture
        self._made: list[Any] = []  # these layers, the lowest first
        self.on = False

    def show(self, pictures: Sequence[Picture]) -> None:
        """Show these pictures, in place of those that are shown."""
        viewer, grid, wanted = self._layers.viewer, grid_of(self._layers.viewer), _kinds(pictures)
        if not self.on:
            self._before = {name: getattr(grid, name) for name in ("enabled", "stride", "shape", "spacing")}
            self._before |= {"active": viewer.layers.selection.active, "text": text_overlay(viewer).visible}
        with self._layers.by_us():
            self._hide_others()
            if self.on and wanted == self._shown and self._is_whole():
                for layer, data in zip(self._made, _layers_of(pictures), strict=True):
                    self._layers.fill(layer, data)
            else:
                with self._framing.same_part():
                    grid.enabled = False  # napari lays it out anew at each layer that comes or goes
                    self._remove_cells()
                    self._add_cells(pictures)
                    grid.stride, grid.shape = len(pictures[0].layers), _shape(len(pictures))
                    grid.spacing = _SPACING
                    grid.enabled = True
            self._name_cells(pictures)
            viewer.layers.selection.active = self._before["active"]
            text_overlay(viewer).visible = False  # it is about the one picture
        self.on, self._shown = True, wanted
        self._tune()

    def screen_pixel(self, count: int) -> float:
        """What `Framing.rounded_screen_pixel` is with so many pictures side by side, also before they are."""
        return self._framing.rounded_screen_pixel_in(_shape(count), _SPACING)

    def update(self) -> None:
        """Keep what comes meanwhile out of the cells.

        It is over where the user deletes or moves one, or turns the grid off.
        """
        if not self.on:
            return
        if not grid_of(self._layers.viewer).enabled or not self._is_whole():
            self.leave()
            return
        with self._layers.by_us():
            self._layers.aside.update()
            self._tune()
            text_overlay(self._layers.viewer).visible = False

    def leave(self) -> None:
        """Back to one picture, as it was."""
        if not self.on:
            return
        self.on = False
        viewer, grid = self._layers.viewer, grid_of(self._layers.viewer)
        with self._layers.by_us():
            with self._framing.same_part():
                grid.enabled = False  # napari lays it out anew at each layer that goes
                self._remove_cells()
                for name in ("enabled", "stride", "shape", "spacing"):
                    setattr(grid, name, self._before[name])
            self._layers.aside.end(_REASON)
            overlay = text_overlay(viewer)
            overlay.visible = bool(overlay.text) and self._before["text"]
            if self._before["active"] in viewer.layers:
                viewer.layers.selection.active = self._before["active"]
        self._before = {}

    def _add_cells(self, pictures: Sequence[Picture]) -> None:
        from napari.layers import Layer

        self._made = [Layer.create(*self._layers.suited(data)) for data in _layers_of(pictures)]
        for at, layer in enumerate(self._made):
            self._layers.viewer.layers.insert(at, layer)
        self._layers.aside.update()  # what lies on them may be out of the way

    def _is_whole(self) -> bool:
        """Whether the cells are as they were made: all of them, in their order, below all others."""
        lowest = list(self._layers.viewer.layers)[: len(self._made)]
        return lowest == self._made == self._cells()

    def _tune(self) -> None:
        """Show the images as the one image is shown: in the same window."""
        image = self._layers.find(IMAGE)
        for layer in self._made[:: len(self._shown[0])] if image is not None else ():
            for name in ("contrast_limits", "gamma", "colormap"):
                if getattr(layer, name) != getattr(image, name):
                    setattr(layer, name, getattr(image, name))

    def _name_cells(self, pictures: Sequence[Picture]) -> None:
        for layer, (_, options, _) in zip(self._made, _layers_of(pictures), strict=True):
            layer.name = options["name"]
        for layer in self._made[:: len(pictures[0].layers)]:
            layer.name_overlay.visible, layer.name_overlay.font_size = True, 11

    def _cells(self) -> list[Any]:
        return [layer for layer in self._layers.viewer.layers if is_cell(layer)]

    def _remove_cells(self) -> None:
        if cells := self._cells():
            with changed_together(self._layers.viewer):
                for layer in cells:
                    self._layers.viewer.layers.remove(layer)
        self._made = []

    def _hide_others(self) -> None:
        """Ours from now on; the user's once, who may turn them on again."""
        aside = self._layers.aside
        aside.begin(_REASON, lambda layer: role_of(layer) is not None)
        for layer in self._layers.viewer.layers:
            if role_of(layer) is None and not is_cell(layer):
                aside.put(_REASON, layer)


def _layers_of(pictures: Sequence[Picture]) -> list[LayerData]:
    return [data for picture in pictures for data in picture.layers]


def _kinds(pictures: Sequence[Picture]) -> list[tuple[str, ...]]:
    return [tuple(kind for _, _, kind in picture.layers) for picture in pictures]


def _shape(count: int) -> tuple[int, int]:
    """Rows and columns for some pictures: one row of up to three, else nearly a square."""
    columns = count if count <= 3 else math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns
