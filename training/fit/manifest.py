"""``manifest.json``: what a run is made of, and every session of work on it, written before the first step."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from training.atomic import write_bytes
from training.config import Config
from training.fit.numerics import training_precision
from training.fit.processes import Processes

MANIFEST = "manifest.json"
PACKAGES = ("napari-ambiseg", "torch", "numpy", "h5py", "safetensors")


def begin_session(
    run_dir: Path,
    config: Config,
    data: Mapping[str, str],
    divisions: Mapping[str, object],
    processes: Processes,
    from_step: int,
    cautions: Sequence[str] = (),
) -> None:
    """Write the manifest of a new run, or append this session to that of an old one.

    Parameters
    ----------
    run_dir : the run's folder
    config : what is trained, resolved
    data : SHA-256 of each file
    divisions : which patients are in which split of each file
    processes : who trains
    from_step : where this session goes on
    cautions : what the user was told
    """
    path = run_dir / MANIFEST
    facts: dict[str, Any] = {
        "config": config.model_dump(mode="json"),
        "seed": config.fit.seed,
        "data_sha256": dict(data),
        "splits": dict(divisions),
        "sessions": [],
    }
    if from_step:
        # What was true at the beginning stays; only a manifest that is lost or unreadable begins anew.
        facts |= _read(path)
    device = processes.device
    facts["sessions"].append(
        {
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "from_step": from_step,
            "arguments": sys.argv[1:],
            "device": str(device),
            "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
            "processes": processes.count,
            "threads": torch.get_num_threads(),
            "precision": training_precision(config.fit, device),
            "determinism": config.fit.determinism,
            "platform": platform.platform(),
            "made_with": versions(),
            "torch_build": torch_build(),
            "git_commit": git_commit(),
            "cautions": list(cautions),
        }
    )
    write_bytes(path, json.dumps(facts, indent=2).encode())


def versions() -> dict[str, str]:
    """Versions of Python and of the packages whose numbers are in the weights."""
    return {package: version(package) for package in PACKAGES} | {"python": platform.python_version()}


def torch_build() -> dict[str, str | None]:
    """What torch was built with, which can change the last bits."""
    cudnn = torch.backends.cudnn.version() if torch.cuda.is_available() else None
    return {
        "commit": torch.version.git_version,
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else str(cudnn),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def git_commit() -> str | None:
    """The commit of this program, with "+" if files differ from it; None if it does not lie in a checkout."""
    root = Path(__file__).parents[2]
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


def _cpu_name() -> str:
    return platform.processor() or platform.machine()


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {"sessions": [], **found}
