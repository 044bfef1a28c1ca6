"""What a user sets once for all sessions, in napari's own preferences.

``napari.yaml`` declares the page under *Preferences*; here are the same names, and the values where napari knows of no
such page (before 0.9) or the plugin runs without napari.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from napari_ambiseg.dock_names import PLUGIN

STORED = "stored"  # preset of `windowing`: the image as the model sees it
OUTLINE_WIDTH = 0.55  # of the experts' outlines, in pixels of the slice


@dataclass(frozen=True)
class Settings:
    """The settings, with the values that they have until somebody changes them.

    Parameters
    ----------
    device : where models run; "auto" takes a GPU if there is one
    samples : masks to draw
    steps : of the reverse diffusion; 0 leaves them to the model
    kept_frames : of a trajectory that the player keeps; of a longer one every second, third, ... step
    previews_per_second : how often the picture follows a drawing under way
    outline_width : of the experts' outlines at most, in pixels of the image; narrower in a close-up
    window : name of the preset that a new window begins with
    checkpoints : folder that is looked through for models; "" for none
    autosave : whether the session is written down all the while, to be offered again
    """

    device: str = "auto"
    samples: int = 16
    steps: int = 0
    kept_frames: int = 64
    previews_per_second: float = 15.0
    outline_width: float = OUTLINE_WIDTH
    window: str = STORED
    checkpoints: str = ""
    autosave: bool = True


#: Heading in the preferences, and key in the manifest, of each setting.
GROUPS = {
    "device": "sampling",
    "samples": "sampling",
    "steps": "sampling",
    "kept_frames": "sampling",
    "previews_per_second": "sampling",
    "outline_width": "display",
    "window": "display",
    "checkpoints": "files",
    "autosave": "files",
}


def read_settings() -> Settings:
    """The user's settings; those of `Settings` where napari keeps none."""
    kept = _kept_by_napari()
    if kept is None:
        return Settings()
    return Settings(
        **{field.name: getattr(getattr(kept, GROUPS[field.name]), field.name) for field in fields(Settings)}
    )


def _kept_by_napari() -> Any | None:
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # no napari, or one before 0.9
        return None
    try:
        return get_plugin_settings(PLUGIN)
    except KeyError:  # it has not discovered this plugin
        return None
