"""What napari finds of us: the manifest at the repository's root, whole, and every name in it real."""

import importlib.util
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from napari._app_model.constants._menus import is_menu_contributable
from napari.layers import Layer
from npe2 import PluginManager, PluginManifest
from npe2.manifest.contributions import MenuCommand
from npe2.manifest.utils import import_python_name

from napari_ambiseg import dock_names

ROOT = Path(__file__).parents[2]
MANIFEST = PluginManifest.from_file(ROOT / "napari.yaml")


def discovered_file():
    (entry,) = entry_points(group="napari.manifest", name="napari-ambiseg")
    module, name = entry.value.split(":")
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))) / name
    return ROOT / name


def test_the_manifest_that_napari_finds_is_the_one_at_the_root():
    assert discovered_file().read_bytes() == (ROOT / "napari.yaml").read_bytes()


def test_napari_finds_every_contribution_of_the_installed_package():
    found = PluginManifest.from_distribution("napari-ambiseg")
    assert found.contributions == MANIFEST.contributions
    assert set(found.categories) == {"Visualization", "Segmentation", "Measurement", "Dataset"}


@pytest.mark.parametrize("command", MANIFEST.contributions.commands, ids=lambda command: command.id)
def test_every_command_of_the_manifest_imports(command):
    assert callable(import_python_name(command.python_name))


def test_there_is_one_widget_per_dock_by_the_name_that_the_code_has():
    names = {value for name, value in vars(dock_names).items() if name.isupper() and name != "PLUGIN"}
    listed = [widget.display_name for widget in MANIFEST.contributions.widgets]
    assert listed[0] == dock_names.VIEWER
    assert len(listed) == len(names) == 9
    assert set(listed) == names


def test_every_menu_entry_leads_to_a_command_and_every_dock_is_in_a_menu():
    """napari drops what leads nowhere without a word."""
    known = {command.id for command in MANIFEST.contributions.commands}
    submenus = {submenu.id for submenu in MANIFEST.contributions.submenus}
    menus = MANIFEST.contributions.menus
    items = [item for menu in menus.values() for item in menu]
    commands = {item.command for item in items if isinstance(item, MenuCommand)}
    assert commands <= known
    assert {item.submenu for item in items if not isinstance(item, MenuCommand)} == submenus
    assert submenus <= set(menus)
    assert all(is_menu_contributable(menu) for menu in menus)
    assert {widget.command for widget in MANIFEST.contributions.widgets} <= commands


def test_sample_data_are_data():
    """Not a promise that a dock shows them: napari's own menu opens them without any dock of ours."""
    keys = []
    for sample in MANIFEST.contributions.sample_data:
        (command,) = (each for each in MANIFEST.contributions.commands if each.id == sample.command)
        layers = [Layer.create(*each) for each in import_python_name(command.python_name)()]
        assert layers[0].data.size > 1000
        keys.append(sample.key)
    assert keys[0] == "demo"
    assert len(set(keys)) == len(keys)


def test_folders_and_every_kind_of_file_reach_our_reader(tmp_path):
    """npe2 has no patterns for folders: a reader that takes any is asked about all, and declines those of others."""
    manager = PluginManager()
    manager.register(MANIFEST)
    for name in ("a.h5", "a.HDF5", "data_lidc.pickle", "a.pkl", "a.nii", "a.b.nii.gz"):
        assert [reader.command for reader in manager.iter_compatible_readers([name])], name
    assert [reader.command for reader in manager.iter_compatible_readers([str(tmp_path)])]
    assert not list(manager.iter_compatible_readers(["a.png"]))


def test_reader_and_sample_data_import_neither_qt_nor_napari_nor_torch():
    """napari imports these for every file of our patterns that anybody opens."""
    names = {c.python_name for c in MANIFEST.contributions.commands if "_qt" not in c.python_name}
    modules = ", ".join(sorted({name.partition(":")[0] for name in names}))
    code = f"import sys, {modules}; print(sorted({{'torch', 'qtpy', 'PyQt6', 'napari'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert len(names) >= 3
    assert result.stdout.strip() == "[]"
