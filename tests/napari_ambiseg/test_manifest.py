"""What napari finds of us: the manifest at the repository's root, whole, and every name in it real."""

import importlib.util
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest
from npe2.manifest.utils import import_python_name

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


def test_there_is_one_widget_per_dock_and_one_that_opens_all():
    assert [widget.display_name for widget in MANIFEST.contributions.widgets] == [
        "Disagreement viewer", "Cases", "Sampler", "Trajectory", "Disagreement", "Post-processing",
    ]  # fmt: skip


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
    names = [c.python_name for c in MANIFEST.contributions.commands if "_qt" not in c.python_name]
    modules = ", ".join(sorted({name.partition(":")[0] for name in names}))
    code = f"import sys, {modules}; print(sorted({{'torch', 'qtpy', 'PyQt6', 'napari'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert len(names) == 2
    assert result.stdout.strip() == "[]"
