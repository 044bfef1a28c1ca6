"""`ambiseg prepare` as its users meet it: real processes, exit codes, one line for each mistake."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from training import open_dataset


def prepare(*arguments, expect=0):
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", "training", "prepare", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """Twelve pictures of four patients, two experts, one picture that nobody drew on."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for index in range(12):
        place = f"p{index // 3}/{index}.png"
        for name in ("images", "anna", "ben"):
            (folder / name / place).parent.mkdir(parents=True, exist_ok=True)
            picture = rng.integers(0, 256, (40, 40)).astype(np.uint8)
            if name != "images":
                picture = np.zeros((40, 40), np.uint8)
                if index != 5:
                    picture[10:20, 10 : 15 + index] = 255
            Image.fromarray(picture).save(folder / name / place)
    return folder


def test_a_folder_becomes_a_file_and_the_report_says_what_happened(slices, tmp_path):
    said = prepare(slices, tmp_path / "out.hdf5", "--split", "patient", "--seed", 1).stdout
    assert "11 slices of 4 patients" in said
    assert "split by the rule 'patient', seed 1" in said
    assert "left out: 1 x no expert drew anything; first" in said
    assert "always-empty: GED" in said
    with open_dataset(tmp_path / "out.hdf5") as dataset:
        assert dataset.verify() > 0
        assert sum(map(len, dataset.splits.values())) == 11


def test_the_report_is_there_as_json(slices, tmp_path):
    facts = json.loads(prepare(slices, tmp_path / "out.hdf5", "--json", "--keep-empty", "--size", 32).stdout)
    assert facts["made"]["slices"] == 12
    assert facts["made"]["dropped"] == {}
    assert facts["file"]["attributes"]["options"]["size"] == 32
    assert all(split["size"] == [32, 32] for split in facts["file"]["splits"].values())


def test_the_same_source_gives_the_same_file(slices, tmp_path):
    for name in ("a", "b"):
        prepare(slices, tmp_path / f"{name}.hdf5", "--random-crop", 16, "--crop-seed", 3)
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layout", "dicom"], "unknown layout 'dicom'; choose one of: auto, hdf5"),
        (["--split", "random"], "unknown split 'random'; choose one of: auto, source"),
        (["--split", "paper"], "is of LIDC-IDRI's patients"),
        (["--split", "source"], "the source does not say where"),
        (["--window", "bone"], "unknown window 'bone'"),
        (["--shift-masks"], "--shift-masks means nothing for the layout 'folder'"),
        (["--size", 4], "got 4"),
        (["--random-crop", 64], "none of its slices can be used: smaller than 64 x 64 pixels (11)"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(slices, tmp_path, arguments, message):
    error = prepare(slices, tmp_path / "out.hdf5", *arguments, expect=2).stderr
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_nothing_known_is_told_so(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "looks like none of the layouts" in prepare(tmp_path / "empty", tmp_path / "o.hdf5", expect=2).stderr
    assert "no such file or folder" in prepare(tmp_path / "missing", tmp_path / "o.hdf5", expect=2).stderr


def test_the_folder_of_eight_patients_becomes_a_file(shared_data, tmp_path):
    facts = json.loads(prepare(shared_data / "LIDC-IDRI-slices", tmp_path / "out.hdf5", "--json").stdout)
    assert (facts["made"]["slices"], facts["made"]["patients"]) == (204, 8)
    assert facts["made"]["split"]["rule"] == "paper"
    assert facts["made"]["dropped"] == {
        "no expert drew anything": {"count": 3, "first": "LIDC-IDRI-0491_nodule0_slice0"}
    }


def test_a_name_that_the_terminal_cannot_show_does_not_spoil_the_report(slices, tmp_path):
    out = tmp_path / "größe.hdf5"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", "training", "prepare", str(slices), str(out)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert "slices of 4 patients" in done.stdout
    assert out.is_file()


def test_a_seed_for_what_is_not_drawn_is_told_or_refused(slices, tmp_path):
    error = prepare(slices, tmp_path / "out.hdf5", "--crop-seed", 3, expect=2).stderr
    assert "--crop-seed means nothing without --random-crop" in error
