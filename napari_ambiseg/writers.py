"""npe2 writers: what napari's own "Save selected layers" makes of our layers.

A layer of ours stands for the case that it shows: what is written is the case with its experts and samples, not the
lines on the screen.  Layers of others are not ours to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_ambiseg.layers.roles import KEY

FullLayerData = tuple[Any, dict[str, Any], str]


def write_masks(path: str, layers: Sequence[FullLayerData]) -> list[str]:
    """Write experts' and drawn masks of the case that is shown, as the Output dock does; the name's end says the form.

    Returns
    -------
    paths of the files, none where nothing was written; what is wrong is told in the window
    """
    from napari_ambiseg.notices import notifying

    with notifying():
        return [str(written) for written in _controller(layers).output.write_now(Path(path))]
    return []


def write_session(path: str, layers: Sequence[FullLayerData]) -> list[str]:
    """Write the session of the window, as the Output dock does; returns and errors as `write_masks`."""
    from napari_ambiseg.notices import notifying

    with notifying():
        _controller(layers).session.save(Path(path))
        return [path]
    return []


def _controller(layers: Sequence[FullLayerData]) -> Any:
    """The controller of the window that the layers are in.

    Raises
    ------
    ConfigError
        If none of the layers is ours, or there is no window.
    """
    from napari import current_viewer

    from napari_ambiseg.controller import controller_of
    from training.errors import ConfigError

    if not any(KEY in options.get("metadata", {}) for _, options, _ in layers):
        raise ConfigError("none of these layers is of a case that is shown here; choose image, experts or samples")
    viewer = current_viewer()
    if viewer is None:
        raise ConfigError("masks and sessions are written from a window; without one use: ambiseg sample")
    return controller_of(viewer)
