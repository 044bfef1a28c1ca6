"""Genuine pickles are read as `pickle` reads them, whatever wrote them, without holding them in memory."""

import io
import pickle
import pickletools
import struct
import tracemalloc

import numpy as np
import pytest

from training.data.forms import _pickle_stand_ins as stand_ins
from training.data.forms._pickle_stream import entries, first_fields, survey
from training.errors import DataFormatError

PROTOCOLS = (2, 3, 4, 5)
TYPES = ("?", "u1", "i1", "<u2", ">u2", "<i4", ">i4", "<i8", "<u8", "<f2", "<f4", ">f4", "<f8", ">f8")


def read(path):
    return list(entries(path, survey(path)))


@pytest.fixture
def reread(tmp_path):
    """Pickle something, and read it back without unpickling."""

    def through(value, protocol=4, change=bytes):
        path = tmp_path / "a.pickle"
        path.write_bytes(change(pickle.dumps(value, protocol)))
        return read(path)

    return through


def renamed(pickled, old="numpy._core", new="numpy.core"):
    """The same pickle as an older NumPy writes it: other module names, and no frames, whose lengths would be wrong."""
    out, steps = io.BytesIO(), list(pickletools.genops(pickled))
    ends = [start for _, _, start in steps[1:]] + [len(pickled)]
    for (opcode, argument, start), end in zip(steps, ends, strict=True):
        if opcode.name == "FRAME":
            continue
        if opcode.name == "GLOBAL":
            out.write(b"c" + argument.replace(old, new).replace(" ", "\n").encode() + b"\n")
        elif isinstance(argument, str) and argument.startswith(old):
            text = argument.replace(old, new).encode()
            out.write(b"X" + struct.pack("<I", len(text)) + text)
        else:
            out.write(pickled[start:end])
    return out.getvalue()


def slices(rng, n=4):
    """The published pickle in small, with pydicom's objects and every type of array."""
    multival = pytest.importorskip("pydicom.multival")
    from pydicom.uid import UID
    from pydicom.valuerep import DSfloat

    return {
        f"61991_slice{index}": {
            "image": rng.random((9, 7)).astype(TYPES[-1 - index % 2]),
            "masks": [np.asarray(rng.random((9, 7)) < 0.5, TYPES[(4 * index + k) % len(TYPES)]) for k in range(4)],
            "series_uid": UID(f"1.3.6.1.{index // 2}"),
            "pixel_spacing": multival.MultiValue(DSfloat, ["0.703125", "0.5"]),
        }
        for index in range(n)
    }


def assert_array(found, wanted):
    """The same numbers of the same type; NumPy turns other byte orders to the machine's in some protocols only."""
    native = wanted.dtype.newbyteorder("=")
    assert found.dtype.newbyteorder("=") == native
    np.testing.assert_array_equal(found.astype(native), wanted.astype(native), strict=True)


def assert_same(found, expected):
    assert [key for key, _ in found] == list(expected)
    for key, value in found:
        assert list(value) == list(expected[key])
        for name, item in value.items():
            wanted = expected[key][name]
            if isinstance(wanted, np.ndarray):
                assert_array(item, wanted)
            elif name == "masks":
                for one, other in zip(item, wanted, strict=True):
                    assert_array(one, other)
            else:
                assert item == (wanted if isinstance(wanted, str) else list(wanted))


@pytest.mark.parametrize("change", [bytes, renamed, pickletools.optimize], ids=["numpy 2", "numpy 1", "optimised"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_genuine_pickle_is_read_as_pickle_reads_it(reread, protocol, change):
    value = slices(np.random.default_rng(protocol))
    peer = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301
    assert_same(reread(value, protocol, change), peer)


def test_both_names_of_numpy_are_in_these_tests():
    for protocol in PROTOCOLS:
        pickled = pickle.dumps(np.zeros(2), protocol)
        assert b"numpy._core" in pickled
        assert b"numpy.core" in renamed(pickled)
        assert b"numpy._core" not in renamed(pickled)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickles_of_the_python_pickler_are_read_too(tmp_path, protocol):
    """It writes a last single entry, and a dict of one, with another opcode than the C pickler."""
    value = slices(np.random.default_rng(0), n=1)
    path = tmp_path / "a.pickle"
    with path.open("wb") as file:
        pickle._Pickler(file, protocol).dump(value)
    assert_same(read(path), value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", ["C", "F", "sliced"])
def test_every_type_and_order_of_numbers_comes_back_exactly(reread, protocol, dtype, order):
    array = np.random.default_rng(1).integers(0, 2, (6, 5)).astype(dtype)
    array = array[::2, ::-1] if order == "sliced" else np.asarray(array, order=order)
    ((_, fields),) = reread({"a": {"image": array, "masks": [array.T, array]}}, protocol)
    for found, wanted in ((fields["image"], array), (fields["masks"][0], array.T), (fields["masks"][1], array)):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_scalars_are_numbers(reread, protocol):
    fields = {"a": np.float64(0.1), "b": np.uint8(7), "c": np.bool_(True), "d": np.int64(-3)}
    ((_, found),) = reread({"k": fields}, protocol)
    assert found == fields


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("n", [1, 2, 999, 1000, 1001, 2500])
def test_batches_of_a_thousand_make_one_dict(reread, protocol, n):
    value = {f"k{index}": {"a": index, "b": str(index)} for index in range(n)}
    assert reread(value, protocol) == list(value.items())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_that_slices_share_are_the_same_in_each(reread, protocol):
    """One empty mask for all, one UID per series, and one spacing."""
    multival = pytest.importorskip("pydicom.multival")
    from pydicom.uid import UID
    from pydicom.valuerep import DSfloat

    mask, uid, spacing = np.eye(5), UID("1.2.3"), multival.MultiValue(DSfloat, ["0.5", "0.7"])
    value = {
        f"k{index}": {"masks": [mask, mask], "uid": uid, "spacing": spacing, "pair": (0.5, 0.7)} for index in range(5)
    }
    for _, fields in reread(value, protocol):
        np.testing.assert_array_equal(fields["masks"], [mask, mask])
        assert fields["uid"] == "1.2.3"
        assert fields["spacing"] == [0.5, 0.7]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_constructor_other_than_a_class_does_not_matter(reread, protocol):
    """pydicom's own lists of decimals may name the function DS in its place."""
    multival = pytest.importorskip("pydicom.multival")
    from pydicom.valuerep import DS

    ((_, fields),) = reread({"k": {"spacing": multival.MultiValue(DS, ["0.5", "0.75"]), "a": 1}}, protocol)
    assert fields["spacing"] == [0.5, 0.75]


@pytest.mark.parametrize(
    "state", [{"_list": [0.5, 0.7]}, ({"_list": [0.5, 0.7], "x": 1}, None), ({"_list": [0.5, 0.7]}, {})]
)
def test_pydicom_states_of_any_version_give_their_numbers(state):
    numbers = stand_ins.NumberList()
    numbers.build(state)
    assert numbers == [0.5, 0.7]


@pytest.mark.parametrize(
    "state",
    [
        None,
        3,
        {},
        (),
        {"_list": None},
        {"_list": ["a", None, []]},
        {"_list": [1.0] * 17},
        {"_list": [10**400, -(10**400), 1e17, float("nan")]},
    ],
)
def test_a_list_in_a_strange_state_is_empty(state):
    numbers = stand_ins.NumberList()
    numbers.build(state)
    assert numbers == []


def test_bool_bytes_other_than_one_are_true(tmp_path):
    array = np.array([[True, False, True]])
    pickled = pickle.dumps({"k": {"image": array, "masks": [array]}}, 4).replace(b"\x01\x00\x01", b"\x07\x00\xff")
    (tmp_path / "a").write_bytes(pickled)
    ((_, fields),) = read(tmp_path / "a")
    assert fields["image"].view(np.uint8).tolist() == [[1, 0, 1]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_memory_does_not_grow_with_the_file(tmp_path, protocol):
    """Two hundred slices of 98 kB take less than ten of them."""
    rng, path = np.random.default_rng(0), tmp_path / "a.pickle"
    value = {
        f"6_slice{index}": {
            "image": rng.random((64, 64)),
            "masks": [rng.random((64, 64)) for _ in range(2)],
            "uid": "1.2",
        }
        for index in range(200)
    }
    path.write_bytes(pickle.dumps(value, protocol))
    del value
    tracemalloc.start()
    known = survey(path)
    count = sum(1 for _ in entries(path, known))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 200
    assert peak < path.stat().st_size / 20


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_survey_knows_the_keys_in_order_and_their_series(tmp_path, protocol):
    value = slices(np.random.default_rng(0), n=5)
    (tmp_path / "a").write_bytes(pickle.dumps(value, protocol))
    known = survey(tmp_path / "a")
    assert known.keys == tuple(value)
    assert known.series == tuple(str(fields["series_uid"]) for fields in value.values())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_first_fields_are_told_from_the_first_slice_alone(tmp_path, protocol):
    value = slices(np.random.default_rng(0))
    pickled = pickle.dumps(value, protocol)
    (tmp_path / "a").write_bytes(pickled[: len(pickled) * 2 // 3])
    assert first_fields(tmp_path / "a") == {"image", "masks", "series_uid", "pixel_spacing"}


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"\x80\x01N.", b"\x80\x06N.", b"\x80\x04N.", b"\x80\x04}.", b"\x89HDF\r\n", pickle.dumps([1])],
)
def test_other_files_have_no_first_fields(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert first_fields(tmp_path / "a") == frozenset()
    assert first_fields(tmp_path / "missing") == frozenset()
    assert first_fields(tmp_path) == frozenset()


@pytest.mark.parametrize(
    "value", [[1], {}, {"a": 1}, {1: {}}, {"a": [1]}, {("a", 1): {"b": 1, "c": 2}}, {"a": {1: 2, 3: 4}}]
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_another_structure_is_refused_by_the_survey(tmp_path, value, protocol):
    (tmp_path / "a").write_bytes(pickle.dumps(value, protocol))
    with pytest.raises(DataFormatError, match=str(tmp_path / "a")):
        survey(tmp_path / "a")


@pytest.mark.parametrize("change", ["fewer", "other", "more"])
def test_a_file_that_changes_between_the_two_walks_is_noticed(tmp_path, change):
    value = {f"k{index}": {"a": index, "b": 2} for index in range(4)}
    other = {
        "fewer": dict(list(value.items())[:3]),
        "other": {("j" if key == "k2" else key): fields for key, fields in value.items()},
        "more": {**value, "k9": {"a": 1, "b": 2}},
    }[change]
    path = tmp_path / "a"
    path.write_bytes(pickle.dumps(value))
    known = survey(path)
    path.write_bytes(pickle.dumps(other))
    with pytest.raises(DataFormatError, match=r"has changed|not there"):  # "more" names new objects first
        list(entries(path, known))
