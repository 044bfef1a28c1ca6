"""The log of a run: one JSON object per line, and the same numbers for TensorBoard if it is wanted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from training.atomic import write_bytes
from training.errors import ConfigError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"


class RunLog:
    """What a run has told so far.

    Parameters
    ----------
    run_dir : gets ``log.jsonl`` and, with ``tensorboard``, a folder ``tensorboard``
    tensorboard : also write what TensorBoard draws

    Raises
    ------
    ConfigError
        If TensorBoard is wanted and not installed.
    """

    def __init__(self, run_dir: Path, tensorboard: bool = False) -> None:
        self._path = run_dir / LOG
        self._events = run_dir / TENSORBOARD if tensorboard else None
        self._writer: SummaryWriter | None = None
        self._forgotten_after: int | None = None
        if tensorboard:
            _summary_writer()

    def write(self, entry: Mapping[str, float]) -> None:
        """Append one line; ``entry`` says at which "step".  A number that is not finite is written as null.

        The file is opened anew each time: what was logged survives whatever ends the process.
        """
        plain = {name: value if math.isfinite(value) else None for name, value in entry.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain, allow_nan=False) + "\n")
        if self._events is not None:
            self._mirror(self._events, entry)

    def forget_after(self, step: int, validated: float = math.inf) -> None:
        """Drop what an interrupted run logged after the checkpoint that it goes on from, and any torn line.

        ``validated`` is the step of the checkpoint's last validation: one of a later step is made again.
        """
        self.close()
        self._forgotten_after = step
        if self._path.exists():
            kept = [
                entry
                for entry in self._entries()
                if entry["step"] <= (validated if "validation_ged_u" in entry else math.inf) and entry["step"] <= step
            ]
            write_bytes(self._path, "".join(json.dumps(entry) + "\n" for entry in kept).encode())

    def close(self) -> None:
        """Let go of TensorBoard's file; the next line opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _entries(self) -> list[dict[str, float]]:
        """The whole lines, in order.  A process that dies, or a machine that loses power, can tear the one it wrote."""
        entries = []
        for line in self._path.read_bytes().split(b"\n"):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and isinstance(entry.get("step"), int | float):
                entries.append(entry)
        return entries

    def _mirror(self, folder: Path, entry: Mapping[str, float]) -> None:
        if self._writer is None:
            purge = None if self._forgotten_after is None else self._forgotten_after + 1
            self._writer = _summary_writer()(str(folder), purge_step=purge)
        step = int(entry["step"])
        for name, value in entry.items():
            if name != "step":
                self._writer.add_scalar(name, value, step)
        self._writer.flush()


def _summary_writer() -> type[SummaryWriter]:
    """TensorBoard's writer, imported when it is wanted: it is an extra, and takes its time."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("TensorBoard is not installed; run: pip install 'napari-ambiseg[tb]'") from error
    return SummaryWriter
