"""What commands read and write besides the data: checked before any work, and told in one line where it fails."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.atomic import temporary_beside, write_bytes, writing
from training.errors import ConfigError


def require_output(out: Path, *inputs: Path) -> None:
    """Refuse, before any work, a file that cannot be written or that would replace what is read."""
    try:
        os.lstat(temporary_beside(out))  # a longer name than the file's own
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}; give another name") from error
    if out.is_dir():
        raise ConfigError(f"cannot write {out}: it is a folder; give the name of a file")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"cannot write {out}: the folder {out.absolute().parent} does not exist; make it first")
    for path in inputs:
        if _same(out, path):
            raise ConfigError(f"cannot write {out}: it is also what is read; give another name")


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there
        return False


def read_scores(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"cannot read the scores {path}: {error}; give what `ambiseg evaluate --out` wrote"
        ) from error


def write_json(path: Path, content: Mapping[str, object]) -> None:
    with writing(path):
        write_bytes(path, json.dumps(content, indent=2).encode())
