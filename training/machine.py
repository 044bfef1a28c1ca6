"""What results and times come from: this program's commit, its packages and the CPU.  Nothing here imports torch."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("napari-ambiseg", "torch", "numpy", "h5py", "safetensors")

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class DeviceFact:
    """A device that a network can run on.  It travels between processes, so it is known without torch.

    Parameters
    ----------
    name : what `training.device.pick_device` takes, such as "cuda:0"
    label : what its maker calls it
    free_bytes, total_bytes : memory that is free, and all of it
    """

    name: str
    label: str
    free_bytes: int
    total_bytes: int


def versions() -> dict[str, str]:
    """Versions of Python and of the packages whose numbers are in the weights."""
    return {package: package_version(package) for package in PACKAGES} | {"python": platform.python_version()}


def package_version(package: str) -> str:
    """Of an installed package; a checkout, this program's too, can be imported and has none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "without a version" if find_spec(package.replace("-", "_")) else "not installed"


def git_commit() -> str | None:
    """The commit of this program, with "+" if files differ from it; None if it does not lie in a checkout."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None  # without git the version has to do


def cpu_name() -> str:
    """The CPU's model where the system tells it, otherwise its kind, such as "arm64"."""
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def peak_memory_mib() -> float | None:
    """The most memory that this process has ever held, in MiB; None where the system does not tell."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset / 2**20)
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / 2**20 if sys.platform == "darwin" else peak / 2**10)
