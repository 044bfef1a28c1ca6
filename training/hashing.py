"""The name that results and model cards give to a file: the SHA-256 of its bytes.  Torch-free."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read piece by piece; OSError as `Path.open`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
