"""What results and times come from."""

import platform
import subprocess
import sys
from importlib.metadata import version

import pytest

from training import machine


@pytest.fixture
def checkout(monkeypatch, tmp_path):
    """A repository of one commit in which this program seems to lie, and git in it."""
    file = tmp_path / "training" / "machine.py"
    file.parent.mkdir()
    file.write_text("one")

    def git(*arguments):
        identity = ("-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")
        done = subprocess.run(  # noqa: S603
            ["git", *identity, *arguments],  # noqa: S607
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(machine, "__file__", str(file))
    return git


def test_the_commit_has_a_plus_once_a_file_differs(checkout, tmp_path):
    commit = checkout("rev-parse", "HEAD")
    assert machine.git_commit() == commit
    (tmp_path / "unknown.txt").write_text("not of the program")
    assert machine.git_commit() == commit
    (tmp_path / "training" / "machine.py").write_text("two")
    assert machine.git_commit() == f"{commit}+"


def test_without_a_checkout_or_without_git_there_is_no_commit(monkeypatch, checkout, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.git_commit() is None
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "installed" / "training" / "machine.py"))
    assert machine.git_commit() is None


def test_the_cpu_has_the_name_that_the_system_tells(monkeypatch, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel\t\t: 5\nmodel name\t: Fast 9000 @ 2: GHz\nmodel name\t: second\n")
    monkeypatch.setattr(machine, "_CPUINFO", cpuinfo)
    assert machine.cpu_name() == "Fast 9000 @ 2: GHz"


@pytest.mark.parametrize("text", [None, "processor\t: 0\n", "model name\t:\n"])
def test_a_cpu_whose_model_is_not_told_has_its_kind(monkeypatch, tmp_path, text):
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert machine.cpu_name() == "arm64"


def test_versions_are_those_that_are_installed():
    found = machine.versions()
    assert found["torch"] == version("torch")
    assert found["python"] == platform.python_version()
    assert set(found) == {*machine.PACKAGES, "python"}


def test_it_works_without_torch():
    code = "import sys, training.machine as m; m.versions(); m.cpu_name(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", code], timeout=60).returncode == 0  # noqa: S603


def test_what_can_be_imported_alone_has_no_version_and_what_cannot_is_not_installed(monkeypatch):
    known = machine.version

    def absent(package):
        if package == "napari-ambiseg":
            raise machine.PackageNotFoundError(package)
        return known(package)

    monkeypatch.setattr(machine, "version", absent)
    assert machine.versions()["napari-ambiseg"] == "without a version"
    assert machine.package_version("nothing-of-this-name") == "not installed"
    assert machine.versions()["torch"] == known("torch")
