"""The bench of reading slices."""

import json

import numpy as np
import pytest
from PIL import Image

from training.bench import loading
from training.bench.loading import bench_io, read_peer
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.errors import ConfigError, DataFormatError


def test_both_read_the_same_slices():
    outcome = bench_io(phantoms=5, size=32, reads=7, rounds=2)
    everything, single = outcome.groups
    assert [row.name for row in everything.rows] == ["ours", "gzip-float64"]
    assert [row.name for row in single.rows] == ["ours-as-stored", "ours-checked-records", "gzip-float64"]
    assert [gate.holds for gate in outcome.gates] == [True, True]
    assert outcome.settings["slices"] == 5
    json.dumps(outcome.facts(), allow_nan=False)


def test_the_train_splits_of_files_are_read(tmp_path):
    slices = [phantom_case(index, 3, 32).slice for index in range(6)]
    write_dataset(tmp_path / "a.hdf5", {"train": slices[:4], "val": slices[4:]}, {}, image_type="float32")
    outcome = bench_io([tmp_path / "a.hdf5"], reads=3, rounds=1)
    assert outcome.settings["slices"] == 4
    assert outcome.holds


def test_the_peers_file_holds_the_slices(tmp_path):
    slices = [phantom_case(index, 3, 32).slice for index in range(3)]
    loading._write_peer(tmp_path / "peer.hdf5", iter(slices), 3)
    images, labels = read_peer(tmp_path / "peer.hdf5")
    assert images.dtype == np.float64
    for case, image, label in zip(slices, images, labels, strict=True):
        assert np.array_equal(image, case.image.astype(np.float64))
        assert np.array_equal(np.moveaxis(label, -1, 0).astype(bool), case.masks)


def test_a_difference_fails_a_gate(monkeypatch):
    def flipped(path):
        images, labels = read_peer(path)
        labels[0, 0, 0, 0] ^= 1
        return images + 1e-3, labels

    monkeypatch.setattr(loading, "read_peer", flipped)
    outcome = bench_io(phantoms=2, size=32, reads=1, rounds=1)
    assert [gate.value for gate in outcome.gates] == [pytest.approx(1e-3, rel=1e-3), 1.0]
    assert not any(gate.holds for gate in outcome.gates)


def test_a_folder_of_pictures_is_converted_too(tmp_path):
    cases = [phantom_case(index, 0, 32).slice for index in range(20)]
    for index, case in enumerate(cases):
        for name, pixels in {"images": case.image, "reader-1": case.masks[0], "reader-2": case.masks[1]}.items():
            path = tmp_path / "own" / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    outcome = bench_io(phantoms=2, size=32, reads=1, rounds=2, pictures=tmp_path / "own")
    prepare, reading = outcome.groups[2].rows
    assert (prepare.name, reading.name) == ("prepare", "reading-the-pictures")
    drawn_on = sum(bool(case.masks[:2].any()) for case in cases)  # the others are left out
    assert prepare.facts["slices/s"] * prepare.median == pytest.approx(drawn_on)


def test_a_file_without_a_train_split_is_refused(tmp_path):
    write_dataset(tmp_path / "a.hdf5", {"val": [phantom_case(0, 0, 32).slice]}, {}, image_type="uint8")
    with pytest.raises(DataFormatError, match="no split 'train'; it has val"):
        bench_io([tmp_path / "a.hdf5"], rounds=1)


@pytest.mark.parametrize("wrong", [{"phantoms": 0}, {"reads": 0}, {"rounds": 0}])
def test_what_is_not_possible_is_refused(wrong):
    with pytest.raises(ConfigError, match="got"):
        bench_io(**wrong)
