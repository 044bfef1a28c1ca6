"""Folders of results with pretended values, laid out as `ambiseg ablate` and `ambiseg evaluate` lay them out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from training.ablation.grid import load_grid
from training.metrics.glossary import NAMES

LOWER = {"ged_v", "ged_u"}


class Pretend:
    """Writes results that nobody measured; values follow a smooth rule, so that figures look like figures."""

    def __init__(self, folder):
        self.folder = folder

    def scores(self, ged=0.35, dice=0.47, *, samples=(4,), areas=(), experts=4, **heading):
        """The JSON of one evaluation; U is V without D / n, D = 0.5."""
        by_n, reliability = {}, {}
        for n in samples:
            variants = {"raw": self._means(ged, dice, n)}
            for r in areas:
                gain = 0.08 * r * (1 - r) if n == 4 else -0.03 * r
                name = "postprocessed" if len(areas) == 1 else f"postprocessed {r:g}"
                variants[name] = self._means(ged - gain, dice + gain / 2, n)
            by_n[str(n)] = variants
            pixels = [[max(0, round(900 * math.exp(-3 * abs(i / n - j / experts)))) for j in range(experts + 1)]
                      for i in range(n + 1)]  # fmt: skip
            pixels[0][0] = 100_000
            presence = [{"cases": 7 * i % 11, "experts": min(1, 0.1 + 0.8 * i / n) if 7 * i % 11 else None}
                        for i in range(n + 1)]  # fmt: skip
            reliability[str(n)] = {"raw": {"pixels": pixels, "presence": presence, "ece": 0.01, "ece_union": 0.1}}
        found = {
            str(k): {"cases": 20 * k, "scores": {str(n): {"raw": {"ged_v": 0.5 - k / 20 if k else None, "ged_u": 0.2,
            "dice": k / 6, "empty_model": 1 - k / 4}} for n in samples}} for k in range(experts + 1)
        }  # fmt: skip
        return {
            "format": 2,
            "segmenter": "pretended",
            "data": "/data/of/somebody/phantom.hdf5",
            "data_sha256": "0123456789abcdef" * 4,
            "split": "val",
            "crop": None,
            "sampling": {"model": "pretended", "sampler": "ddim", "steps": 10, "grid": "trailing", "precision": "fp32"},
            "seed": 0,
            "samples": list(samples),
            "postprocess": list(areas),
            "made_with": {"python": "3.11"},
            "git_commit": "fedcba9876543210fedc+",
            "case_table": {"file": "scores.csv", "sha256": "0" * 64},
            "cases": 200,
            "patients": 50,
            "experts": [experts],
            "scores": by_n,
            "floor": {str(n): {"ged_v": 0.5 / experts + 0.5 / n, "ged_u": 0.5 / experts} for n in samples},
            "by_found": found,
            "reliability": reliability,
        } | heading

    def _means(self, ged, dice, n):
        values = dict.fromkeys(NAMES, 0.25) | {
            "ged_v": ged - 0.125 + 0.5 / n,
            "ged_u": ged - 0.125,
            "dice": dice,
            "iou": dice - 0.05,
        }
        return {
            name: {"mean": value, "low": value - 0.02, "high": value + 0.03, "undefined": 0}
            for name, value in values.items()
        } | {"ncc": {"mean": None, "low": None, "high": None, "undefined": 200}}

    def evaluation(self, name, scores=None, cost=None):
        """A JSON file directly in the folder."""
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(scores or self.scores()), encoding="utf-8")
        if cost is not None:
            path.with_suffix(".cost.json").write_text(json.dumps(cost), encoding="utf-8")
        return path

    def grid(self, name, cells, *, folder=None, title=None, **facts):
        """A grid of (labels, state, reason, scores) rows."""
        folder = self.folder / (folder or name)
        folder.mkdir(parents=True)
        rows = []
        for number, (labels, state, reason, scores) in enumerate(cells):
            if scores is not None:
                (folder / f"cell{number}.json").write_text(json.dumps(scores), encoding="utf-8")
            rows.append(
                {"id": f"cell{number}", "labels": labels, "run": None, "scores": f"cell{number}.json", "state": state,
                 "reason": reason}
            )  # fmt: skip
        record = {
            "format": 1,
            "grid": name,
            "title": title or name,
            "paper_split": "val",
            "split": "val",
            "scale": {"name": "full", "title": "as the grid says", "changed": {}, "left_out": []},
            "notice": "",
            "cautions": [],
            "common": {},
            "seeds": {"training": [0], "noise": [0], "crop": [0]},
            "git_commit": "fedcba9876543210fedc+",
            "cells": rows,
        } | facts
        (folder / "ablation.json").write_text(json.dumps(record), encoding="utf-8")

    def shipped(self, name, **facts):
        """A shipped grid, every cell of it done but those that it calls missing and one that failed."""
        grid = load_grid(name)
        settings = {"samples": tuple(grid.score.get("samples", (4, 16))), "areas": tuple(grid.score["postprocess"])}
        cells = []
        for number, choices in enumerate(grid.combinations()):
            labels = grid.labels(choices)
            reason = next((absence.reason for absence in grid.missing if absence.covers(labels)), "")
            preset = {k: v for choice in choices for k, v in choice.train.items()}.get("preset", "paper-128")
            if not reason and not preset.startswith("paper"):
                reason = f"the preset {preset!r} is not there yet"
            if reason:
                cells.append((labels, "missing", reason, None))
            elif labels.get("prediction") == "ε" and labels["weighting"] == "Trunc. SNR":
                cells.append(
                    (labels, "failed", "the loss was not finite 3 times in a row, at step 1,204 of 50,000", None)
                )
            else:
                cells.append((labels, "done", "", self.scores(*self._rule(labels, number), **settings)))
        self.grid(name, cells, title=grid.title, paper_split=grid.paper_split, **facts)

    def _rule(self, labels, number):
        """GED and dice of a cell: best near the paper's choices, worse on random crops."""
        ged = 0.33 + 0.09 * ("random" in labels.get("crop", "")) + 0.002 * (number % 5)
        if "steps" in labels:
            steps = float(labels["steps"])
            ged += 0.02 * (np.log10(steps) - 1) ** 2 + 0.006 * (labels["sampler"] == "DDPM")
        if "bias" in labels:
            ged += 0.0015 * (float(labels["bias"]) + 6) ** 2
        if "input_scale" in labels:
            ged += 0.05 * (np.log10(float(labels["input_scale"])) + 1) ** 2
        if labels.get("prediction") == "ε":
            ged += 0.45
        return float(ged), float(0.8 - ged)

    def everything(self):
        """All grids of the paper, and evaluations of a model and the references."""
        scale = {
            "name": "laptop",
            "title": "the direction of an effect, over night on a CPU",
            "changed": {},
            "left_out": [],
        }
        notice = "scale laptop: the scores do not compare with the paper's; changed: fit.steps 50000 -> 3000"
        for name in ("table1", "table2", "table4", "fig6", "fig7", "fig8", "fig9"):
            self.shipped(name)
        self.shipped("table3", scale=scale, notice=notice)
        cost = {"network_calls": 10, "seconds_per_image": 1.1342, "peak_memory_mib": 812.4, "device_name": "CPU"}
        both = {"samples": (4, 16), "areas": (0.5,)}
        self.evaluation("demo", self.scores(0.29, 0.55, segmenter="demo", **both), cost)
        self.evaluation("experts", self.scores(0.1, 0.65, segmenter="experts", sampling={"model": "experts"}, **both))
        self.evaluation("empty", self.scores(0.845, 0.38, segmenter="empty", sampling={"model": "empty"}, **both))
        self.evaluation("human", self.scores(0.4, 0.53, segmenter="human", sampling={"model": "human"}, samples=(1,)))


@pytest.fixture
def pretend(tmp_path):
    """A writer of pretended results into an empty folder."""
    folder = tmp_path / "results"
    folder.mkdir()
    return Pretend(folder)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A folder with all results that can be there, pretended; nothing but reports is to be written into it."""
    folder = tmp_path_factory.mktemp("everything") / "results"
    folder.mkdir()
    Pretend(folder).everything()
    return folder
