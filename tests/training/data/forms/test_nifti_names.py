"""Which NIfTI file is an image and which an expert's mask, by their names."""

import re

import pytest

from training.data.forms.interface import Options
from training.data.forms.nifti import Nifti
from training.errors import DataFormatError

from .nifti_scans import scans_of


def test_a_folder_is_a_scan_and_its_words_tell_images_from_masks(tmp_path):
    found, tally = scans_of(
        tmp_path,
        *("p1/ct.nii.gz", "p1/seg-anna.nii.gz", "p1/seg-bob.nii.gz", "p1/report.pdf"),
        *("p2/p2_T1w.nii", "p2/p2_lesion.nii", "p2/p2_seg-anna.nii", "p2/p2_seg-bob.nii"),
        *("p3/whatever.nii", "p3/seg-bob.nii", "p3/seg-anna.nii"),
        *("p4/t1.nii", "p4/t2.nii", "p4/seg-anna.nii", "p4/seg-bob.nii"),
        *("p5/flair.nii", "p5/seg-anna.nii", "empty/readme.txt"),
    )
    assert found == {
        "p1": ["ct.nii.gz", "seg-anna", "seg-bob"],
        "p2": ["p2_T1w.nii", "seg-anna", "seg-bob"],
        "p3": ["whatever.nii", "seg-anna", "seg-bob"],
    }
    unused = "file is neither the scan's image nor a mask by its name"
    assert tally.dropped == {"scan needs exactly one image file": 1, "seg-bob is missing": 1, unused: 1}
    assert tally.examples == {
        "scan needs exactly one image file": "p4",
        "seg-bob is missing": "p5",
        unused: repr(str(tmp_path / "p2" / "p2_lesion.nii")),
    }


def test_a_slot_is_the_same_expert_in_all_scans(tmp_path):
    found, tally = scans_of(
        tmp_path,
        *("p1/ct.nii", "p1/seg-anna.nii", "p1/seg-ben.nii"),
        *("p2/ct.nii", "p2/seg-anna.nii", "p2/seg-carl.nii"),
        *("p3/ct.nii", "p3/seg-anna.nii", "p3/seg-ben.nii", "p3/seg-carl.nii"),
        *("p4/ct.nii", "p4/seg-anna.nii", "p4/seg-ben.nii", "p4/seg-ben.nii.gz"),
    )
    assert set(found) == {"p1", "p4"}
    assert tally.dropped == {
        "seg-ben is missing": 1,
        "scan has masks that most have not": 1,
        "another file is this expert's mask already": 1,
    }


def test_flat_files_are_sorted_to_their_scans(tmp_path):
    found, tally = scans_of(
        tmp_path,
        *("ct_1_image.nii.gz", "ct_1_reader10.nii.gz", "ct_1_reader9.nii.gz"),
        *("ct_10_image.nii.gz", "ct_10_reader9.nii.gz", "ct_10_reader10.nii.gz"),
        *("b.nii", "b_reader9.nii", "b_reader10.nii", "lonely_mask.nii"),
    )
    assert found == {
        "b": ["b.nii", "reader9", "reader10"],
        "ct_1": ["ct_1_image.nii.gz", "reader9", "reader10"],
        "ct_10": ["ct_10_image.nii.gz", "reader9", "reader10"],
    }
    assert tally.dropped == {"mask without an image": 1}


def test_one_scan_alone_takes_the_folders_name(tmp_path):
    found, _ = scans_of(tmp_path / "p7", "scan.nii", "expert1.nii", "expert2.nii", "LungMask.nii")
    assert found == {"p7": ["scan.nii", "expert1", "expert2", "LungMask"]}


@pytest.mark.parametrize(
    ("names", "recognised"),
    [
        (["image.nii", "mask.nii"], True),
        (["p/image.nii.gz", "p/reader1.nii.gz"], True),
        (["inner/p/image.nii.gz", "inner/p/reader1.nii.gz"], True),
        (["image.nii"], False),
        (["mask_a.nii", "mask_b.nii"], False),
        (["image.png", "mask.png"], False),
        ([], False),
    ],
)
def test_the_form_is_recognised_by_names(tmp_path, names, recognised):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert Nifti.recognises(tmp_path) is recognised
    assert Nifti.recognises(tmp_path / "a\0b") is False
    if not recognised:
        with pytest.raises(DataFormatError, match=re.escape(str(tmp_path))):
            Nifti(tmp_path, Options())


def test_a_scans_own_prefix_is_no_part_of_its_experts_names(tmp_path):
    names = [f"scan{k}/P{k}_{word}.nii.gz" for k in range(1, 5) for word in ("ct", "mask_a", "mask_b")]
    found, tally = scans_of(tmp_path, *names)
    assert found == {f"scan{k}": [f"P{k}_ct.nii.gz", "mask_a", "mask_b"] for k in range(1, 5)}
    assert not tally.dropped
