"""``manifest.json``: what a run is made of, and every session of work on it, written before the first step."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from training.atomic import write_bytes
from training.config import Config
from training.fit.numerics import training_precision
from training.machine import cpu_name, git_commit, versions
from training.processes import Processes

MANIFEST = "manifest.json"


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
            "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name(),
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


def torch_build() -> dict[str, str | None]:
    """What torch was built with, which can change the last bits."""
    cudnn = torch.backends.cudnn.version() if torch.cuda.is_available() else None
    return {
        "commit": torch.version.git_version,
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else str(cudnn),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or not isinstance(found.get("sessions", []), list):
        return {}
    return {"sessions": [], **found}
