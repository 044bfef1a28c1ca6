"""What a user sets once: the manifest's page, its names and defaults, and what a viewer begins with."""

from dataclasses import asdict, fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from napari.components import ViewerModel
from npe2 import PluginManifest

from napari_ambiseg.controller import Controller
from napari_ambiseg.settings import GROUPS, Settings, read_settings
from napari_ambiseg.windowing import PRESETS
from training.sampling_wish import SamplingWish

PAGES = PluginManifest.from_file(Path(__file__).parents[2] / "napari.yaml").contributions.configurations


def declared(name):
    return PAGES[GROUPS[name]].properties[name]


def test_the_page_in_the_preferences_has_these_settings_and_no_others():
    assert {name for page in PAGES.values() for name in page.properties} == {field.name for field in fields(Settings)}


@pytest.mark.parametrize("name", asdict(Settings()))
def test_a_setting_has_one_default_and_is_explained(name):
    assert declared(name).default == getattr(Settings(), name)
    assert declared(name).description


def test_the_windows_to_choose_from_are_the_presets():
    assert declared("window").enum == list(PRESETS)


def test_a_napari_without_plugin_settings_gives_the_defaults(monkeypatch):
    monkeypatch.setattr("napari_ambiseg.settings._kept_by_napari", lambda: None)
    assert read_settings() == Settings()


def test_what_napari_keeps_is_read(monkeypatch):
    wanted = Settings(device="cpu", samples=3, steps=7, window="lung", outline_width=2.0, autosave=False)
    kept = SimpleNamespace()
    for name, value in asdict(wanted).items():
        group = vars(kept).setdefault(GROUPS[name], SimpleNamespace())
        setattr(group, name, value)
    monkeypatch.setattr("napari.settings.get_plugin_settings", lambda _: kept, raising=False)
    assert read_settings() == wanted


def test_a_plugin_that_napari_has_not_discovered_has_the_defaults(monkeypatch):
    def unknown(name):
        raise KeyError(name)

    monkeypatch.setattr("napari.settings.get_plugin_settings", unknown, raising=False)
    assert read_settings() == Settings()


def test_a_viewer_begins_as_set(engine):
    settings = Settings(device="cpu", samples=5, steps=4, window="dark", outline_width=2.0)
    controller = Controller(ViewerModel(), engine, settings)
    sampling = controller.state.sampling
    assert (sampling.device, sampling.n_samples, sampling.wish) == ("cpu", 5, SamplingWish(steps=4))
    assert controller.state.display.window == "dark"
    assert controller.state.display.outline_width == 2.0
    controller.close()


def test_no_steps_set_leaves_them_to_the_model(engine):
    controller = Controller(ViewerModel(), engine, Settings())
    assert controller.state.sampling.wish.steps is None
    controller.close()
