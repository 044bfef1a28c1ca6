"""``ablation.json``: a grid on given data at a given scale, and how far each of its cells is; torch-free.

Several processes write it, each what it knows, one after the other under a lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from training.ablation.plan import Ablation, Cell, Run
from training.atomic import write_bytes
from training.errors import CheckpointError, ConfigError, DataFormatError
from training.evaluation import request
from training.machine import git_commit, versions
from training.model_card import newest_checkpoint, read_card

# What a record may have besides, for those who show it.
_OPTIONAL: dict[str, type] = {"seeds": dict, "settings": dict, "data": dict, "cautions": list, "notice": str}
RECORD, RUNS, CLAIMS = "ablation.json", "runs", ".claims"
FORMAT = 1
NOT_DONE = "not done yet"
_PATIENCE = 60.0  # seconds to wait for others who write the same file, which takes milliseconds

State = Literal["done", "failed", "missing"]


@dataclass(frozen=True)
class CellState:
    """How far a cell is: "done", "failed" or "missing", and why, where it is not done."""

    state: State
    reason: str = ""


class Record:
    """The ``ablation.json`` of one ablation.

    Parameters
    ----------
    out : the folder of all results; the file lies in ``out / ablation.folder``
    """

    def __init__(self, out: Path, ablation: Ablation) -> None:
        self.folder = out / ablation.folder
        self.path = self.folder / RECORD
        self._ablation, self._runs = ablation, out / RUNS
        self._made = {"git_commit": git_commit(), "made_with": versions()}

    def scores_path(self, cell: Cell) -> Path:
        """Where the cell's scores go."""
        return self.folder / f"{cell.id}.json"

    def states(self) -> dict[str, CellState]:
        """Cell id -> how far it is now, by the file and by the scores that are there."""
        known = self._known()
        return {cell.id: self._state(cell, known) for cell in self._ablation.cells}

    def steps_done(self, run: Run) -> int:
        """Steps of a training at its newest checkpoint; 0 where there is none."""
        newest = newest_checkpoint(self._runs / run.name)
        try:
            return 0 if newest is None else read_card(newest.with_suffix(".json")).step
        except CheckpointError:
            return 0  # training from there says what is wrong with it

    def require_same(self) -> None:
        """Refuse a folder whose cells have other settings in common.

        Raises
        ------
        ConfigError
            Naming the first that differs.
        """
        try:
            found = read_record(self.path)
        except DataFormatError:
            return  # written anew, from the scores that are there
        common, own = found.get("common", {}), self._common()
        for what, wish in own.items():
            if common.get(what, wish) != wish:
                raise ConfigError(
                    f"{self.folder} was made with {what} = {_short(common[what])}, now {_short(wish)}; "
                    f"do as then, or choose another OUT_DIR"
                )

    def write(self, changes: Mapping[str, CellState]) -> None:
        """Note the states of some cells, by id; the others stay as they are.

        Raises
        ------
        ConfigError
            If the file cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / f".{RECORD}.lock", timeout=_PATIENCE):
                states = self.states() | dict(changes)
                write_bytes(
                    self.path, json.dumps(self._content(states), indent=2, ensure_ascii=False, default=str).encode()
                )
        except Timeout:
            raise ConfigError(f"another process holds {self.path} for {_PATIENCE:g} s; end it, and run again") from None
        except OSError as error:
            raise ConfigError(
                f"cannot write in {self.folder}: {error.strerror or error}; see to it and run again, what is done stays"
            ) from error

    def _known(self) -> dict[str, CellState]:
        try:
            found = read_record(self.path)
        except DataFormatError:
            return {}
        return {cell["id"]: CellState(cell["state"], cell["reason"]) for cell in found["cells"]}

    def _state(self, cell: Cell, known: Mapping[str, CellState]) -> CellState:
        if cell.run is None:
            return CellState("missing", cell.absent)
        state = known.get(cell.id, CellState("missing", NOT_DONE))
        if state.state == "done" and (reason := unreadable_scores(self.scores_path(cell))):
            return CellState("missing", reason)
        return state if state.state != "missing" else CellState("missing", NOT_DONE)

    def _common(self) -> dict[str, Any]:
        ablation = self._ablation
        return {
            "scale": ablation.scale.model_dump(mode="json", exclude={"title"}),
            "settings": dict(ablation.settings),
            "split": ablation.data.split,
            "training data": [file.sha256 for file in ablation.data.training],
            "scored data": ablation.data.scored.sha256,
        }

    def _content(self, states: Mapping[str, CellState]) -> dict[str, Any]:
        ablation, grid, data = self._ablation, self._ablation.grid, self._ablation.data
        return {
            "format": FORMAT,
            "grid": grid.name,
            "title": grid.title,
            "paper": grid.paper,
            "paper_split": grid.paper_split,
            "split": data.split,
            "scale": self._scale(),
            "notice": notice(ablation),
            "settings": dict(ablation.settings),
            "data": {
                "training": [{"path": str(file.path), "sha256": file.sha256} for file in data.training],
                "scored": {"path": str(data.scored.path), "sha256": data.scored.sha256, "cases": data.cases},
            },
            "cautions": list(data.cautions),
            "seeds": {
                "training": sorted({run.config.fit.seed for run in ablation.runs}),
                "noise": sorted({cell.score.seed for cell in ablation.cells}),
                "crop": sorted({cell.score.crop_seed for cell in ablation.cells}),
            },
            **self._made,
            "common": self._common(),
            "axes": [
                {"name": axis.name, "title": axis.title or axis.name, "values": [one.label for one in axis.values]}
                for axis in grid.axes
            ],
            "cells": [self._cell(cell, states[cell.id]) for cell in ablation.cells],
        }

    def _scale(self) -> dict[str, Any]:
        ablation = self._ablation
        name, title = ablation.scale.name, ablation.scale.title
        if ablation.settings:  # not the grid's own any more, whatever the scale
            name += " with " + ", ".join(f"{key} = {value}" for key, value in ablation.settings.items())
        return {
            "name": name,
            "title": title,
            "changed": {key: {"from": list(old), "to": list(new)} for key, (old, new) in ablation.changed.items()},
            "left_out": [{"axis": axis, "label": label, "reason": reason} for axis, label, reason in ablation.left_out],
        }

    def _cell(self, cell: Cell, state: CellState) -> dict[str, Any]:
        return {
            "id": cell.id,
            "labels": dict(cell.labels),
            "run": None if cell.run is None else f"../{RUNS}/{cell.run.name}",
            "scores": f"{cell.id}.json",
            "state": state.state,
            "reason": state.reason,
        }


def read_record(path: Path) -> dict[str, Any]:
    """The content of an ``ablation.json``; {} with no cells where there is none yet.

    Raises
    ------
    DataFormatError
        If it is damaged.
    """
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {"cells": []}
    except (OSError, ValueError, RecursionError) as error:
        raise DataFormatError(f"{path} cannot be read: {error}") from error
    try:
        if found["format"] != FORMAT:
            raise DataFormatError(f"{path} has the format {found['format']!r}, this version reads {FORMAT}")
        well = (
            all(isinstance(found[name], str) for name in ("grid", "title", "split"))
            and isinstance(found["scale"], dict)
            and isinstance(found["common"], dict)
            and all(isinstance(found.get(name, kind()), kind) for name, kind in _OPTIONAL.items())
            and all(isinstance(values, list) for values in found.get("seeds", {}).values())
            and all(_is_cell(cell) for cell in found["cells"])
        )
    except (KeyError, TypeError, IndexError) as error:
        raise DataFormatError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    if not well:
        raise DataFormatError(f"{path} is damaged: not what `ambiseg ablate` writes")
    return dict(found)


def _is_cell(cell: dict[str, Any]) -> bool:
    texts = all(isinstance(cell[name], str) for name in ("id", "scores", "state", "reason"))
    inside = texts and os.path.basename(cell["scores"]) == cell["scores"]  # noqa: PTH119
    labels = cell["labels"]
    return (
        inside
        and cell["state"] in ("done", "failed", "missing")
        and isinstance(labels, dict)
        and all(isinstance(label, str) for label in labels.values())
    )


def unreadable_scores(path: Path) -> str:
    """Why the scores there cannot be read; "" if they can."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return f"{path.name} is gone"
    except (OSError, ValueError, RecursionError) as error:
        return f"{path.name} cannot be read: {error}"
    if (
        not isinstance(found, dict)
        or found.get("format") != request.FORMAT
        or not isinstance(found.get("scores"), dict)
    ):
        return f"{path.name} is not what `ambiseg evaluate` of this version writes"
    return ""


def notice(ablation: Ablation) -> str:
    """What has to be said wherever these results are shown; "" if the settings are the grid's own."""
    if ablation.is_as_printed:
        return ""
    what = [] if ablation.scale.is_full else [f"scale {ablation.scale.name} ({ablation.scale.title})"]
    what += [f"{key} = {value}" for key, value in ablation.settings.items()]
    changed = [f"{key} {_values(old)} -> {_values(new)}" for key, (old, new) in ablation.changed.items()]
    left_out = [f"{axis} {label}" for axis, label, _ in ablation.left_out]
    text = f"{', '.join(what)}: the scores do not compare with the paper's; changed: {', '.join(changed) or 'nothing'}"
    return text + (f"; left out: {', '.join(left_out)}" if left_out else "")


def _values(values: Any) -> str:
    return "/".join(str(value) for value in values)


def _short(value: Any) -> str:
    text = str(value.get("name")) if isinstance(value, dict) and "name" in value else json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."
