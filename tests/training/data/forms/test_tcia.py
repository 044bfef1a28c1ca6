"""Raw TCIA studies, end to end: synthetic DICOM and XML against an independent slow reading of them."""

import math
import shutil
from collections import deque

import numpy as np
import pytest

pytest.importorskip("pydicom")

from training.data.forms.interface import Options, Tally, Unit
from training.data.forms.tcia import TciaFolder
from training.errors import ConfigError, DataFormatError

from .tcia_study import Roi, Session, ring, sop_uid, write_series, write_slice, xml_text

ROOT = "1.2.826.0.1.3680043.8.498"
FIRST, SECOND, X_RAY, LONELY = (f"{ROOT}.{number}" for number in ("1111111", "2222222", "3333333", "4444444"))
ZS = [0.0, 2.5, 5.0, 7.5, 10.0]
HEIGHT, WIDTH = 160, 168

# An outline that no rotation or mirroring leaves as it is: an L, as (x, y).
CORNERS = [(60, 70), (60, 95), (80, 95), (80, 88), (68, 88), (68, 70)]
ELL = [
    (x0 + (x1 - x0) * i // n, y0 + (y1 - y0) * i // n)
    for (x0, y0), (x1, y1) in zip(CORNERS, CORNERS[1:] + CORNERS[:1], strict=True)
    for n in [max(abs(x1 - x0), abs(y1 - y0))]
    for i in range(n)
]


def first_sessions():
    """Four experts of the first series; z of its slices is `ZS`, and a second slice lies at 5.0."""

    def at(points, index, **kwargs):
        return Roi(points, ZS[index], sop_uid(FIRST, index), **kwargs)

    hole = at(ring(92, 64, 1, 2), 2, inclusion="FALSE")
    by_z = Roi(ring(80, 64, 6, 5), 7.5)  # names no SOPInstanceUID
    by_twin = Roi(ring(81, 64, 5, 5), 5.0, sop_uid(FIRST, 5))  # names the slice that is not kept
    corner = ring(12, 150, 5, 7)
    return [
        Session([[at(ELL, 1), at(ELL, 2), hole, by_z], [at(corner, 2)]], n_others=2),
        Session([[at(corner, 2), at(corner, 3)], [at([(30, 30)], 0)]]),
        Session([[at(ring(82, 66, 4, 9), 2), at([(66, 83), (67, 83)], 4)]]),
        Session([[by_twin], [at(ring(93, 70, 1, 1), 2)]]),
    ]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A folder such as a download gives: two studies of one patient, an X-ray, a CT that nobody read."""
    root = tmp_path_factory.mktemp("archive")
    folder = root / "LIDC-IDRI-0007" / "01-01-2000-30178" / "3000566"
    pixels = write_series(folder, FIRST, ZS, xml=xml_text(FIRST, first_sessions()), InstanceNumber=1)
    pixels[:, :20, -20:] = -976  # with the intercept -1024 this is padding of -2000
    for index, z_mm in enumerate(ZS):
        write_slice(
            folder / f"1-{(index * 7) % 997:03d}.dcm", pixels[index], z_mm, sop_uid(FIRST, index), series_uid=FIRST
        )
    write_slice(folder / "9.dcm", pixels[0], 5.0, sop_uid(FIRST, 5), series_uid=FIRST, InstanceNumber=2)
    second = [Session([[Roi(ring(80, 80, 3, 3), 0.0)]]), Session()]
    study = f"{ROOT}.7.2"
    write_series(root / "LIDC-IDRI-0007" / "b" / "c", SECOND, [0.0], xml=xml_text(SECOND, second), study_uid=study)
    write_series(root / "LIDC-IDRI-0007" / "d", X_RAY, [0.0], Modality="DX")
    (root / "LIDC-IDRI-0007" / "d" / "070.XML").write_text(xml_text(X_RAY, [], root="IdriReadMessage"))
    write_series(root / "LIDC-IDRI-0008", LONELY, [0.0], patient="LIDC-IDRI-0008")
    (root / "LIDC-IDRI-0009").mkdir()
    (root / "LIDC-IDRI-0009" / "1.xml").write_text(xml_text("1.2.3", second))
    return root, pixels


def read(root, **options):
    form, tally = TciaFolder(root, Options(**options)), Tally()
    return list(form.read(tally)), tally, form


def flooded(points):
    """What (x, y) points enclose: all pixels of a slice that a flood from outside does not reach."""
    wall = {(y, x) for x, y in points}
    top, left = min(y for y, _ in wall) - 1, min(x for _, x in wall) - 1
    bottom, right = max(y for y, _ in wall) + 1, max(x for _, x in wall) + 1
    reached, ahead = {(top, left)}, deque([(top, left)])
    while ahead:
        row, column = ahead.popleft()
        for there in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if top <= there[0] <= bottom and left <= there[1] <= right and there not in wall | reached:
                reached.add(there)
                ahead.append(there)
    every = {(row, column) for row in range(top, bottom + 1) for column in range(left, right + 1)}
    return every - reached - wall, wall


def drawn(*nodule):
    """{(slice, reader): pixels} of outlines given as (slice, reader, points, inclusion)."""
    masks = {}
    for index, reader, points, _ in (each for each in nodule if each[3]):
        masks.setdefault((index, reader), set()).update(flooded(points)[0])
    for index, reader, points, _ in (each for each in nodule if not each[3]):
        inside, wall = flooded(points)
        masks[index, reader] -= inside | wall
    return masks


# The same nodules once more, slice and reader by hand; the mean z of the second is above that of the first.
NODULES = [
    drawn(
        (1, 0, ELL, True),
        (2, 0, ELL, True),
        (2, 0, ring(92, 64, 1, 2), False),
        (3, 0, ring(80, 64, 6, 5), True),
        (2, 2, ring(82, 66, 4, 9), True),
        (4, 2, [(66, 83), (67, 83)], True),
        (2, 3, ring(81, 64, 5, 5), True),
        (2, 3, ring(93, 70, 1, 1), True),
    ),
    drawn((2, 0, ring(12, 150, 5, 7), True), (2, 1, ring(12, 150, 5, 7), True), (3, 1, ring(12, 150, 5, 7), True)),
]


def expected_slices(pixels, size, shift):
    """(key, image in HU, masks, first row and column) of every slice, by loops."""
    for number, nodule in enumerate(NODULES):
        for place, index in enumerate(sorted({index for index, _ in nodule})):
            masks = np.zeros((4, HEIGHT, WIDTH), bool)
            for reader in range(4):
                for row, column in nodule.get((index, reader), ()):
                    masks[reader, row - shift, column - shift] = True
            centres = [np.mean(np.nonzero(mask), axis=1) for mask in masks if mask.any()]
            if not centres:
                centres = [np.mean([(83, 66), (83, 67)], axis=0)]
            top, left = (
                min(max(math.floor(float(middle)) - size // 2, 0), side - size)
                for middle, side in zip(np.mean(centres, axis=0), (HEIGHT, WIDTH), strict=True)
            )
            whole = pixels[index].astype(int) - 1024
            yield f"LIDC-IDRI-0007_111111_nodule{number}_slice{place}", whole, masks, top, left


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("size", [None, 64])
def test_every_slice_of_the_first_series_is_that_of_the_slow_reading(archive, size, shift):
    root, pixels = archive
    found, _, _ = read(root, size=size, shift_masks=bool(shift))
    cases = [each.case for each in found if each.unit.study == "1"]
    side = size or 128
    expected = list(expected_slices(pixels, side, shift))
    assert [case.key for case in cases] == [key for key, *_ in expected]
    for case, (_, whole, masks, top, left) in zip(cases, expected, strict=True):
        cut = (slice(top, top + side), slice(left, left + side))
        np.testing.assert_array_equal(case.masks, masks[:, *cut])
        np.testing.assert_array_equal(case.hounsfield, whole[cut])
        lung = np.clip((whole[cut] + 1000) / 1400, 0, 1)
        np.testing.assert_allclose(case.image, lung, rtol=0, atol=1e-7)
        assert case.spacing_mm == (0.7, 0.6)
        assert case.patient == "LIDC-IDRI-0007"


def test_the_mask_of_an_asymmetric_nodule_has_its_exact_place_and_size(archive):
    """Rows are y, columns are x: the L's long arm goes down, its short one right, without its outline."""
    root, _ = archive
    case = next(each.case for each in read(root)[0] if each.case.key.endswith("111111_nodule0_slice0"))
    reader, rows, columns = np.nonzero(case.masks)
    assert set(reader) == {0}
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[71:95, 61:68] = True
    expected[89:95, 68:80] = True
    top, left = (np.argwhere(expected).mean(axis=0) - 64).astype(int)
    assert sorted(zip(rows + top, columns + left, strict=True)) == sorted(map(tuple, np.argwhere(expected)))


def test_what_is_left_out_is_counted_with_its_reason(archive):
    root, _ = archive
    _, tally, _ = read(root)
    assert tally.dropped == {
        "structure that an expert marked as no nodule": 2,
        "nodule below 3 mm, of which an expert marked only a point": 1,
        "XML file that is no LidcReadMessage (of an X-ray, perhaps)": 1,
        "XML file without its series": 1,
        "series that is no CT": 1,
        "CT series without an XML file": 1,
        "DICOM slice at the z position of another": 1,
    }
    assert tally.noted == {
        "outline that encloses no pixel": 1,
        "annotations of one expert that touch, taken as one nodule": 1,
    }
    assert set(tally.examples) == set(tally.dropped) | set(tally.noted)


def test_reading_twice_gives_the_same(archive):
    form = TciaFolder(archive[0], Options())
    first, second = Tally(), Tally()
    pairs = zip(form.read(first), form.read(second), strict=True)
    assert all(a.case.key == b.case.key and (a.case.masks == b.case.masks).all() for a, b in pairs)
    assert first == second


def test_both_studies_of_a_patient_are_units_of_one_patient(archive):
    found, _, form = read(archive[0])
    assert form.units() == [Unit("LIDC-IDRI-0007", "1"), Unit("LIDC-IDRI-0007", "2")]
    assert {each.unit for each in found} == set(form.units())
    assert len(found) == sum(len({index for index, _ in nodule}) for nodule in NODULES) + 1
    assert abs(len(form) - len(found)) <= 1


def test_the_file_says_where_it_comes_from_and_how_it_was_made(archive):
    _, _, form = read(archive[0])
    assert "CC BY 3.0" in form.attributes["source"]
    assert form.attributes["window"] == "-1000..400 HU"
    assert form.attributes["mask_shift"] == "none"
    _, _, form = read(archive[0], window="slice", shift_masks=True, size=64)
    assert form.attributes["window"].startswith("slice")
    assert form.attributes["mask_shift"] == "(-1, -1) pixels"
    assert form.attributes["crop"].startswith("64 x 64")
    assert all(type(value) in (str, int, float) for value in form.attributes.values())


def test_the_slice_window_is_the_range_of_the_whole_slice_with_its_padding(archive):
    root, pixels = archive
    found, _, _ = read(root, window="slice", size=64)
    for case, (_, whole, _, top, left) in zip(
        (each.case for each in found if each.unit.study == "1"), expected_slices(pixels, 64, 0), strict=True
    ):
        assert whole.min() == -2000
        scaled = (whole - whole.min()) / (whole.max() - whole.min())
        np.testing.assert_allclose(case.image, scaled[top : top + 64, left : left + 64], rtol=0, atol=1e-7)


def test_a_window_of_ones_own_is_applied(archive):
    found, _, _ = read(archive[0], window="-600..600")
    for each in found:
        np.testing.assert_allclose(each.case.image, np.clip((each.case.hounsfield + 600.0) / 1200, 0, 1), atol=1e-7)


def test_folder_names_do_not_matter_and_xml_files_may_lie_apart(archive, tmp_path):
    root, _ = archive
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(root.rglob("*.dcm"))):
        shutil.copy(path, flat / f"{number * 37 % 101}.DCM")
    for number, path in enumerate(sorted([*root.rglob("*.xml"), *root.rglob("*.XML")])):
        (tmp_path / "lists" / str(number)).mkdir(parents=True)
        shutil.copy(path, tmp_path / "lists" / str(number) / "a.xml")
    before = {each.case.key: each.case for each in read(root)[0]}
    after = {each.case.key: each.case for each in read(tmp_path)[0]}
    assert before.keys() == after.keys()
    for key, case in before.items():
        np.testing.assert_array_equal(case.masks, after[key].masks)
        np.testing.assert_array_equal(case.hounsfield, after[key].hounsfield)


def one_series(folder, sessions, zs=(0.0,), **kwargs):
    write_series(folder, FIRST, list(zs), xml=xml_text(FIRST, sessions), **kwargs)
    return folder


def test_a_source_that_goes_away_ends_the_conversion(tmp_path):
    """Half of an archive, taken for all of it, would replace a whole file."""
    for number in range(3):
        uid = f"{FIRST}.{number}"
        drawn = [Session([[Roi(ring(80, 80, 5, 5), z, sop_uid(uid, index))] for index, z in enumerate((0.0, 30.0))])]
        write_series(tmp_path / f"s{number}", uid, (0.0, 30.0), xml=xml_text(uid, drawn))
    reading = TciaFolder(tmp_path, Options()).read(Tally())
    next(reading)
    shutil.rmtree(tmp_path / "s2")
    with pytest.raises(DataFormatError, match="was there a moment ago and cannot be read now"):
        list(reading)


def test_a_slice_that_is_too_small_is_dropped_with_its_key(tmp_path):
    one_series(tmp_path, [Session([[Roi(ring(20, 20, 3, 3), 0.0)]])], side=127)
    found, tally, _ = read(tmp_path)
    assert not found
    assert tally.dropped == {"slice of less than 128 x 128 pixels": 1}
    assert tally.examples == {"slice of less than 128 x 128 pixels": "LIDC-IDRI-0007_111111_nodule0_slice0"}
    assert len(read(tmp_path, size=127)[0]) == 1


def test_a_nodule_larger_than_the_crop_is_cut_and_noted(tmp_path):
    one_series(tmp_path, [Session([[Roi(ring(80, 80, 40, 40), 0.0)]])])
    (found,), tally, _ = read(tmp_path, size=64)
    assert found.case.masks[0].all()
    assert tally.noted == {"mask that reaches beyond the crop": 1}


def test_outlines_that_leave_the_image_or_name_no_slice_are_dropped(tmp_path):
    rois = [Roi(ring(80, 80, 3, 3), 0.0), Roi(ring(159, 80, 3, 3), 0.0), Roi(ring(80, 80, 3, 3), 99.0, "1.2")]
    one_series(tmp_path, [Session([rois])])
    (found,), tally, _ = read(tmp_path)
    assert found.case.masks.sum() == 25
    assert tally.dropped == {"outline that leaves the image": 1, "outline whose slice is not there": 1}


def test_an_outline_whose_z_contradicts_its_slice_follows_the_slice_and_is_noted(tmp_path):
    one_series(tmp_path, [Session([[Roi(ring(80, 80, 3, 3), 0.0, sop_uid(FIRST, 1))]])], zs=[0.0, 2.5])
    (found,), tally, _ = read(tmp_path)
    series = np.random.default_rng(0).integers(0, 2000, (2, HEIGHT, WIDTH))
    np.testing.assert_array_equal(found.case.hounsfield, series[1, 16:144, 16:144] - 1024)
    assert tally.noted == {"outline whose z position is not that of the slice it names": 1}


def test_the_same_nodule_on_neighbouring_slices_is_one_and_beyond_the_thickness_two(tmp_path):
    def keys(thickness):
        sessions = [Session([[Roi(ring(80, 80, 3, 3), 0.0)]]), Session([[Roi(ring(80, 80, 3, 3), 2.5)]])]
        one_series(tmp_path, sessions, zs=[0.0, 2.5], SliceThickness=thickness)
        return [each.case.key[-15:] for each in read(tmp_path)[0]]

    assert keys("2.5") == ["_nodule0_slice0", "_nodule0_slice1"]
    assert keys("2.4") == ["_nodule0_slice0", "_nodule1_slice0"]


@pytest.mark.parametrize(("rows", "columns", "n_nodules"), [(4, 0, 2), (0, 4, 1), (0, 5, 2)])
def test_distances_are_millimetres_of_rows_and_of_columns(tmp_path, rows, columns, n_nodules):
    """Pixels are 0.7 mm high and 0.6 mm wide and slices 2.5 mm thick: four columns are near, four rows are not."""
    other = ring(80 + (6 + rows if rows else 0), 80 + (6 + columns if columns else 0), 3, 3)
    one_series(tmp_path, [Session([[Roi(ring(80, 80, 3, 3), 0.0)]]), Session([[Roi(other, 0.0)]])])
    assert len(read(tmp_path)[0]) == n_nodules


def test_a_damaged_slice_is_dropped_and_the_others_are_read(tmp_path):
    rois = [Roi(ring(80, 80, 3, 3), z) for z in (0.0, 2.5)]
    one_series(tmp_path, [Session([rois])], zs=[0.0, 2.5])
    path = tmp_path / "1-007.dcm"
    path.write_bytes(path.read_bytes()[:-1000])
    found, tally, _ = read(tmp_path)
    assert [each.case.key[-1] for each in found] == ["0"]
    assert sum(tally.dropped.values()) == 1


def test_a_patient_without_a_name_is_found_by_the_study(tmp_path):
    """LIDC's own table knows whose study it is."""
    study = "1.3.6.1.4.1.14519.5.2.1.6279.6001.339170810277323131167631068432"
    one_series(tmp_path, [Session([[Roi(ring(80, 80, 3, 3), 0.0)]])], patient="", study_uid=study)
    assert TciaFolder(tmp_path, Options()).units() == [Unit("LIDC-IDRI-0078", study.rpartition(".")[2])]


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"patient": ""}, "CT series without a PatientID"),
        ({"patient": "a\x1bb"}, "not short, plain text"),
        ({"Modality": "MR"}, "series that is no CT"),
    ],
)
def test_a_folder_without_one_usable_series_says_why(tmp_path, tags, reason):
    one_series(tmp_path, [Session([[Roi(ring(80, 80, 3, 3), 0.0)]])], **tags)
    with pytest.raises(DataFormatError, match=reason):
        TciaFolder(tmp_path, Options())


def test_experts_who_outlined_nothing_leave_no_slices(tmp_path):
    one_series(tmp_path, [Session(n_others=1), Session([[Roi([(3, 3)], 0.0)]])])
    with pytest.raises(DataFormatError, match="no expert outlined a nodule"):
        TciaFolder(tmp_path, Options())


def test_a_fault_of_ours_is_no_reason_to_drop_a_slice(tmp_path, monkeypatch):
    one_series(tmp_path, [Session([[Roi(ring(80, 80, 3, 3), 0.0)]])])

    def wrong(*_):
        raise DataFormatError("wrong")

    monkeypatch.setattr("training.data.forms.tcia.AnnotatedSlice", wrong)
    with pytest.raises(DataFormatError, match=r"^wrong$"):
        read(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataFormatError, match="neither DICOM nor XML files"):
        TciaFolder(tmp_path, Options())


def test_an_unknown_window_is_refused(archive):
    with pytest.raises(ConfigError, match="unknown window 'bone'"):
        TciaFolder(archive[0], Options(window="bone"))


def test_a_series_is_taken_once_though_two_folders_have_it(tmp_path):
    one_series(tmp_path / "a", [Session([[Roi(ring(80, 80, 3, 3), 0.0)]])])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    found, tally, _ = read(tmp_path)
    assert len(found) == 1
    assert tally.dropped == {"second XML file of a series": 1, "series that lies in another folder too": 1}


def test_a_file_of_another_series_hidden_in_a_folder_is_counted(tmp_path):
    one_series(tmp_path, [Session([[Roi(ring(80, 80, 3, 3), 0.0)]])], zs=[0.0, 2.5])
    write_slice(tmp_path / "1-003.dcm", np.zeros((8, 8), np.int16), 0, "1.9", series_uid=SECOND)
    found, tally, _ = read(tmp_path)
    assert len(found) == 1
    assert tally.dropped == {"DICOM file of another series in a series' folder": 1}


def test_links_are_not_followed_out_of_the_folder_nor_round_in_circles(tmp_path):
    one_series(tmp_path / "outside", [Session([[Roi(ring(80, 80, 3, 3), 0.0)]])])
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "away").symlink_to(tmp_path / "outside")
    (inside / "round").symlink_to(inside)
    (inside / "1.xml").symlink_to(tmp_path / "outside" / "069.xml")
    assert not TciaFolder.recognises(inside)
    with pytest.raises(DataFormatError, match="link leads out of the source folder"):
        TciaFolder(inside, Options())


def test_a_link_within_the_folder_does_not_make_anything_count_twice(tmp_path):
    one_series(tmp_path, [Session([[Roi(ring(80, 80, 3, 3), 0.0)]])])
    (tmp_path / "round").symlink_to(tmp_path)
    found, tally, _ = read(tmp_path)
    assert len(found) == 1
    assert not tally.dropped


def test_a_folder_with_dicom_and_xml_files_is_recognised(archive, tmp_path):
    root, _ = archive
    assert TciaFolder.recognises(root)
    assert TciaFolder.recognises(root / "LIDC-IDRI-0007" / "b" / "c")
    assert not TciaFolder.recognises(root / "LIDC-IDRI-0008")  # no XML
    assert not TciaFolder.recognises(root / "LIDC-IDRI-0009")  # no DICOM
    assert not TciaFolder.recognises(tmp_path)
    assert not TciaFolder.recognises(tmp_path / "nowhere")
    assert not TciaFolder.recognises(next(root.rglob("*.dcm")))
