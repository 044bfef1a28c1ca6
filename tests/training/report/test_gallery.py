"""Pictures of cases: chosen by the rule, drawn again exactly, and a reason where that cannot be."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from training.build import build_denoiser
from training.checkpoint import save_weights
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_splits
from training.evaluation.cases import Plan
from training.evaluation.run import evaluate_run
from training.model_card import ModelCard
from training.presets import load_config
from training.records import AnnotatedSlice
from training.report import gallery as gallery_module
from training.report.case_picture import Window, draw_case, window_of
from training.report.gallery import attribution, choose, make_gallery, source
from training.report.material import read_material
from training.sampling_wish import SamplingWish

CONFIG = load_config("tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Evaluations of a small network with random weights, and of the oracle on more cases, on phantoms of 32 pixels."""
    folder = tmp_path_factory.mktemp("gallery")
    write_dataset(folder / "phantom.hdf5", phantom_splits(60, 3, 32), {"source": "LIDC-IDRI (TCIA), CC BY 3.0"})
    model = build_denoiser(CONFIG)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.15 * torch.randn(parameter.shape, generator=generator)
    card = ModelCard(name="small", config=CONFIG, parameters=1, step=5, sha256="")
    save_weights(folder / "small.safetensors", {f"model.{k}": v for k, v in model.state_dict().items()}, card)
    (folder / "results").mkdir()
    plan = Plan(samples=(2, 6), postprocess=(0.5,), seed=4)
    for name, cases, crop in ((str(folder / "small.safetensors"), 8, 24), ("experts", 9, None)):
        out = folder / "results" / ("small.json" if crop else "experts.json")
        run = evaluate_run(
            name,
            folder / "phantom.hdf5",
            out,
            plan=plan,
            wish=SamplingWish(steps=3),
            cases=cases,
            random_crop=crop,
            device="cpu",
        )
        for _ in run:
            pass
    return folder


@pytest.fixture(scope="module")
def gallery(folder):
    return make_gallery(read_material(folder / "results"), device="cpu")


def test_the_evaluation_of_a_model_is_shown_even_if_a_reference_has_more_cases(folder):
    assert source(read_material(folder / "results")).name == "small"


def test_the_pictures_are_those_of_the_ranks_with_the_recorded_scores(folder, gallery):
    assert gallery.problem == ""
    table = gallery_module._case_table(source(read_material(folder / "results")))
    raw = [i for i in range(len(table.n)) if table.n[i] == 6 and np.isnan(table.postprocess[i])]
    ranked = sorted(raw, key=lambda i: (table.scores["ged_u"][i], table.index[i]))
    expected = [ranked[at] for at in (0, 2, 4, 5, 7)]  # 0, 1/4, 1/2, 3/4 and all of the 7 steps between 8 cases
    assert len(gallery.pictures) == 5
    for picture, row in zip(gallery.pictures, expected, strict=True):
        assert table.key[row] in picture.title
        # Drawn again, cropped again, scored again: the same number, so that "recorded" does not stand beside it.
        assert f"GED (U), n = 6: {table.scores['ged_u'][row]:.3f}; seen by {table.found[row]} of 4" in picture.title
    assert gallery.pictures[0].title.startswith("Lowest: ")
    assert "lowest, lower quartile, median, upper quartile and highest GED (U), n = 6" in gallery.rule


def test_the_pictures_are_pictures_and_the_same_each_time(folder, gallery):
    again = make_gallery(read_material(folder / "results"), device="cpu")
    assert [picture.png for picture in gallery.pictures] == [picture.png for picture in again.pictures]
    image = Image.open(io.BytesIO(gallery.pictures[0].png))
    assert image.format == "PNG"
    assert image.width > 1000
    assert "source" not in image.info


def test_the_licence_of_the_data_goes_with_its_pictures(gallery):
    assert gallery.attribution == "LIDC-IDRI (TCIA), CC BY 3.0"
    assert attribution({"licence": "CC BY 4.0", "source": "here", "attribution": "", "n": 3}) == "here; CC BY 4.0"


def test_other_data_is_told_instead_of_shown(folder, tmp_path):
    write_dataset(tmp_path / "other.hdf5", phantom_splits(60, 4, 32), {})
    found = make_gallery(read_material(folder / "results"), tmp_path / "other.hdf5", "cpu")
    assert found.pictures == ()
    assert "other.hdf5 has the sha256" in found.problem
    assert "--data" in found.problem
    gone = make_gallery(read_material(folder / "results"), tmp_path / "gone.hdf5", "cpu")
    assert "gone.hdf5 is not there; give the data file with --data" in gone.problem


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s["sampling"].update(model_sha256="f" * 64), "was it trained further"),
        (lambda s: s.update(segmenter="/nowhere.safetensors"), "nowhere.safetensors"),
        (lambda s: s.update(case_table={"file": "../lost.csv"}), "lost.csv with the single cases is not there"),
        (lambda s: s.update(split="train"), "evaluate again"),
    ],
)
def test_what_cannot_be_drawn_again_is_told(folder, tmp_path, change, reason):
    scores = json.loads((folder / "results/small.json").read_text())
    change(scores)
    (tmp_path / "small.json").write_text(json.dumps(scores))
    (tmp_path / "small.csv").write_bytes((folder / "results/small.csv").read_bytes())
    found = make_gallery(read_material(tmp_path), device="cpu")
    assert found.pictures == ()
    assert reason in found.problem


def test_without_an_evaluation_of_a_model_the_command_is_told(folder, tmp_path):
    (tmp_path / "experts.json").write_bytes((folder / "results/experts.json").read_bytes())
    assert "ambiseg evaluate MODEL DATA --out" in make_gallery(read_material(tmp_path)).problem


def test_the_model_of_an_ablation_is_found_where_the_folder_is_now(folder, tmp_path):
    scores = json.loads((folder / "results/small.json").read_text())
    run = tmp_path / "moved/runs/tiny-1"
    run.mkdir(parents=True)
    for ending in (".safetensors", ".json"):
        (run / f"small{ending}").write_bytes((folder / f"small{ending}").read_bytes())
    cell = tmp_path / "moved/fig9/ours.json"
    cell.parent.mkdir()
    scores |= {"segmenter": "before/runs/tiny-1/small.safetensors"}
    cell.write_text(json.dumps(scores))
    cell.with_name("small.csv").write_bytes((folder / "results/small.csv").read_bytes())
    row = {"id": "ours", "labels": {"model": "Ours"}, "run": "../runs/tiny-1", "scores": "ours.json", "state": "done",
           "reason": ""}  # fmt: skip
    record = {"format": 1, "grid": "fig9", "title": "Fig. 9", "split": "val", "scale": {}, "common": {}, "cells": [row]}
    cell.with_name("ablation.json").write_text(json.dumps(record))
    found = make_gallery(read_material(tmp_path / "moved"), device="cpu")
    assert found.problem == ""
    assert len(found.pictures) == 5
    assert "of Fig. 9, Ours: 8 cases" in found.rule


def test_of_as_many_cases_full_scale_comes_first_then_the_papers_way_of_drawing(folder, tmp_path):
    scores = json.loads((folder / "results/small.json").read_text())

    def cell(grid, name, scale, **how):
        path = tmp_path / grid / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(scores | {"sampling": scores["sampling"] | how}))
        row = {"id": name, "labels": {"model": name}, "run": None, "scores": path.name, "state": "done", "reason": ""}
        record = {"format": 1, "grid": grid, "title": grid, "split": "val", "common": {},
                  "scale": {"name": scale}, "notice": f"scale {scale}: look out" * (scale != "full")}  # fmt: skip
        beside = path.with_name("ablation.json")
        rows = json.loads(beside.read_text())["cells"] if beside.is_file() else []
        beside.write_text(json.dumps(record | {"cells": [*rows, row]}))

    cell("fig6", "short", "tiny", sampler="ddim", steps=10)
    assert source(read_material(tmp_path)).name == "fig6, short"
    (warning,) = [line for line in make_gallery(read_material(tmp_path), device="cpu").warnings if "look out" in line]
    assert warning == "Scale tiny: look out"
    cell("table1", "slow", "full", sampler="ddpm", steps=50)
    assert source(read_material(tmp_path)).name == "table1, slow"
    cell("table1", "printed", "full", sampler="ddim", steps=10)
    assert source(read_material(tmp_path)).name == "table1, printed"


def test_few_cases_are_shown_once_each(folder):
    table = gallery_module._case_table(source(read_material(folder / "results")))
    keep = table.index <= table.index.min() + 1
    columns = ("index", "experts", "found", "seed", "n", "postprocess")
    few = type(table)(
        **{name: np.asarray(getattr(table, name))[keep] for name in columns},
        key=np.asarray(table.key)[keep].tolist(),
        patient=np.asarray(table.patient)[keep].tolist(),
        scores={name: values[keep] for name, values in table.scores.items()},
    )
    assert [choice.rank for choice in choose(few, "ged_u", 6)] == ["lowest", "upper quartile"]


def test_the_window_holds_every_mask_with_a_margin_and_stays_in_the_slice():
    masks = np.zeros((2, 128, 100), bool)
    masks[0, 0, 0] = masks[1, 60, 40] = True
    window = window_of(masks)
    assert window == Window(0, 0, 81)  # 61 pixels and a margin of a third
    assert window.of(masks).any(axis=(1, 2)).all()
    assert window_of(np.zeros((1, 50, 70), bool)) == Window(0, 0, 50)
    corner = np.zeros((1, 64, 64), bool)
    corner[0, 63, 63] = True
    assert window_of(corner) == Window(32, 32, 32)


@pytest.mark.parametrize(("k", "n"), [(1, 1), (9, 20)])
def test_any_number_of_experts_and_masks_is_drawn_empty_ones_too(k, n):
    case = AnnotatedSlice(np.full((40, 40), 0.5, np.float32), np.zeros((k, 40, 40), bool), "$p$", "$k_1$")
    assert draw_case(case, np.zeros((n, 40, 40), bool)).startswith(b"\x89PNG")
