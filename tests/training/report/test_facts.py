"""What `ambiseg info` says of a data set: exact on toy slices, and LIDC's known numbers on real ones."""

import numpy as np
import pytest

from training import open_dataset
from training.data.hdf5 import write_dataset
from training.errors import ConfigError
from training.metrics import generalized_energy_distance
from training.presets import load_config
from training.records import AnnotatedSlice
from training.report.facts import describe, describe_split


def toy(path, masks, **kwargs):
    """One slice per entry; a mask is given by the columns that it marks of a 4 x 4 picture."""
    cases = []
    for index, experts in enumerate(masks):
        drawn = np.zeros((len(experts), 4, 4), bool)
        for expert, columns in enumerate(experts):
            drawn[expert][:, list(columns)] = True
        cases.append(AnnotatedSlice(np.full((4, 4), 0.5, np.float32), drawn, f"p{index // 2}", f"s{index}", **kwargs))
    write_dataset(path, {"train": cases}, {"options": '{"size": 4}', "note": "[half", "experts": 2})
    return path


def split_facts(path):
    with open_dataset(path) as dataset:
        return describe_split(dataset.splits["train"])


def test_the_numbers_of_toy_slices_are_exact(tmp_path):
    # IoU of {0} and {0, 1} is 1/2, dice 2/3; of {0} and nothing 0; of nothing and nothing 1.
    facts = split_facts(toy(tmp_path / "a.hdf5", [[{0}, {0, 1}], [{0}, ()], [(), ()]]))
    assert (facts["slices"], facts["patients"], facts["size"]) == (3, 2, [4, 4])
    assert facts["seen_by"] == {"0": 1, "1": 1, "2": 1}
    assert facts["empty_by_slot"] == [pytest.approx(1 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4)]
    assert facts["disagreement"] == pytest.approx((1 / 2 + 1 + 0) / 3, abs=1e-4)
    assert facts["dice"] == pytest.approx((2 / 3 + 0 + 1) / 3, abs=1e-4)
    assert facts["disagreement_with_self"] == pytest.approx(facts["disagreement"] / 2, abs=1e-4)
    assert facts["dice_with_self"] == pytest.approx((1 + facts["dice"]) / 2, abs=1e-4)


def test_always_empty_scores_as_the_metric_itself_says(tmp_path):
    path = toy(tmp_path / "a.hdf5", [[{0}, {0, 1}, ()], [{0}, (), {3}], [{1, 2}, {1, 2}, {1, 2}]])
    with open_dataset(path) as dataset:
        nothing = np.zeros((5, 4, 4), bool)
        expected = [generalized_energy_distance(nothing, case.masks, "V") for case in dataset.splits["train"]]
    facts = split_facts(path)["always_empty"]
    assert facts["ged_v"] == pytest.approx(np.mean(expected), abs=1e-4)
    assert facts["dice"] == pytest.approx((1 / 3 + 1 / 3 + 0) / 3, abs=1e-4)


def test_one_expert_has_no_disagreement(tmp_path):
    facts = split_facts(toy(tmp_path / "a.hdf5", [[{0}], [()]]))
    assert facts["disagreement"] is facts["dice"] is None
    assert facts["disagreement_with_self"] == 0


def test_spacing_is_told_with_its_absence(tmp_path):
    assert split_facts(toy(tmp_path / "a.hdf5", [[{0}]] * 3))["pixel_spacing"] == "known for 0 of 3 slices"
    spaced = toy(tmp_path / "b.hdf5", [[{0}]] * 3, spacing_mm=(0.5, 0.5))
    assert split_facts(spaced)["pixel_spacing"] == "known for 3 of 3 slices"


def test_what_a_conversion_noted_is_shown_unpacked_and_other_text_as_it_is(tmp_path):
    attributes = describe(str(toy(tmp_path / "a.hdf5", [[{0}, ()]])))["attributes"]
    assert attributes == {"options": {"size": 4}, "note": "[half", "experts": 2}


def test_a_toml_file_is_described_as_the_settings_that_it_means(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('preset = "tiny"\n[fit]\nsteps = 777\n')
    facts = describe(str(mine))
    assert (facts["kind"], facts["preset"], facts["parameters"]) == ("preset", "tiny", 39_340)
    assert facts["config"] == load_config("tiny", ["fit.steps=777"]).model_dump(mode="json")
    mine.write_text("[fit]\nstepz = 777\n")
    with pytest.raises(ConfigError, match=r"unknown setting 'fit\.stepz'"):
        describe(str(mine))
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*missing\.toml"):
        describe(str(tmp_path / "missing.toml"))


def test_a_name_of_both_a_model_and_a_preset_is_the_model_unless_the_preset_is_asked_for():
    assert describe("demo")["kind"] == "model"
    preset = describe("demo", as_preset=True)
    assert (preset["kind"], preset["config"]) == ("preset", load_config("demo").model_dump(mode="json"))
    with pytest.raises(ConfigError, match="unknown preset 'nonsense'"):
        describe("nonsense", as_preset=True)


def test_the_validation_slices_of_lidc_have_their_known_numbers(shared_data):
    with open_dataset(shared_data / "lidc_val.hdf5") as dataset:
        facts = describe_split(dataset.splits["val"])
    assert (facts["slices"], facts["patients"]) == (2827, 175)
    assert facts["seen_by"] == {"1": 854, "2": 546, "3": 639, "4": 788}
    # The whole set's anchors are 0.525, 0.526, 0.394, 0.644, 0.845 and 0.380; a fifth of it lies near them.
    for name, anchor in (
        ("disagreement", 0.525),
        ("dice", 0.526),
        ("disagreement_with_self", 0.394),
        ("dice_with_self", 0.644),
    ):
        assert facts[name] == pytest.approx(anchor, abs=0.02)
    assert facts["always_empty"]["ged_v"] == pytest.approx(0.845, abs=0.02)
    assert facts["always_empty"]["dice"] == pytest.approx(0.380, abs=0.02)
