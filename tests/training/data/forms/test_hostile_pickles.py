"""Pickles made to run code, to take memory or to crash are refused before anything of theirs happens."""

import contextlib
import copyreg
import json
import pickle
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from training.data.forms import _pickle_machine, _pickle_stream
from training.data.forms._pickle_stream import entries, survey
from training.data.forms.interface import Options, Tally
from training.data.forms.lidc_pickle import LidcPickle
from training.data.forms.matting_pickle import MattingPickle
from training.errors import DataFormatError

from .hostile_pickles import PAYLOADS
from .pickle_assembler import array, bare, call, encode, frombuffer, name, number, pickled, text

GENUINE = {
    f"6_slice{index}": {"image": np.full((6, 6), 0.5), "masks": [np.eye(6, dtype=np.uint8)] * 4, "series_uid": "1.2"}
    for index in range(20)
}


# What the child of the memory test runs: every payload, under a limit of its address space.
UNDER_A_LIMIT = """
import json, resource, sys
from pathlib import Path
from training.data.forms.interface import Options, Tally
from training.data.forms.lidc_pickle import LidcPickle
from training.errors import DataFormatError
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
verdicts = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        list(LidcPickle(path, Options()).read(Tally()))
        verdicts[path.name] = "read"
    except DataFormatError:
        verdicts[path.name] = "refused"
    except BaseException as error:
        verdicts[path.name] = repr(error)
print(json.dumps([verdicts, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024]))
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Where a file called canary shows that something has run."""
    monkeypatch.chdir(tmp_path)


def test_what_the_assembler_makes_is_read_where_it_is_genuine(tmp_path):
    """So the refusals below are of what they are called, not of the assembler."""
    square = array(shape=(2, 2), content=np.arange(4.0).tobytes())
    buffer = frombuffer(shape=(2, 2), content=np.arange(4.0).tobytes(), order="F")
    for genuine, expected in ((square, [[0, 1], [2, 3]]), (buffer, [[0, 2], [1, 3]])):
        (tmp_path / "a").write_bytes(pickled(genuine))
        ((_, fields),) = entries(tmp_path / "a", survey(tmp_path / "a"))
        assert fields["image"].tolist() == expected
        assert pickle.loads(pickled(genuine))["1_slice0"]["image"].tolist() == expected  # noqa: S301
    (tmp_path / "a").write_bytes(pickled(encode("é", "latin1")))
    ((_, fields),) = entries(tmp_path / "a", survey(tmp_path / "a"))
    assert fields["image"] == b"\xe9"


def convert(form, path):
    return list(form(path, Options()).read(Tally()))


@pytest.mark.parametrize("title", PAYLOADS)
def test_a_hostile_pickle_is_refused_in_one_line_and_runs_nothing(title, tmp_path):
    path = tmp_path / "a.pickle"
    path.write_bytes(PAYLOADS[title])
    start = time.monotonic()
    for form in (LidcPickle, MattingPickle):
        form.recognises(path)
        with pytest.raises(DataFormatError) as refusal:
            convert(form, path)
    assert time.monotonic() - start < 5
    assert [item.name for item in tmp_path.iterdir()] == ["a.pickle"]
    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 300


@pytest.mark.parametrize(
    "title",
    [
        "os.system",
        "os.system, by GLOBAL",
        "os.system, in place of the dict",
        "posix.system",
        "os.mkdir",
        "builtins.eval",
        "builtins.exec",
        "subprocess.getoutput",
        "cProfile.run",
        "numpy.f2py.crackfortran.param_eval",
        "INST",
        "OBJ",
        "POP hides a call",
    ],
)
def test_the_canary_sings_where_the_same_pickle_is_loaded(title, tmp_path):
    """So a canary that is silent above means something."""
    payload = PAYLOADS[title]
    if "param_eval" in title:
        arguments = (text("open('canary', 'w')"), b"}", b"}")
        payload = bare(call(name("numpy.f2py.crackfortran", "param_eval"), *arguments))
    with contextlib.suppress(Exception):
        pickle.loads(payload)  # noqa: S301
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize(("code", "title"), [(0xF0, "EXT1"), (0xF001, "EXT2"), (0xF00001, "EXT4")])
def test_a_registered_extension_is_refused_too(code, title, tmp_path):
    size = {"EXT1": 1, "EXT2": 2, "EXT4": 4}[title]
    opcode = bytes([{"EXT1": 0x82, "EXT2": 0x83, "EXT4": 0x84}[title]])
    payload = pickled(call(opcode + code.to_bytes(size, "little"), text("touch canary")))
    copyreg.add_extension("os", "system", code)
    try:
        (tmp_path / "a.pickle").write_bytes(payload)
        with pytest.raises(DataFormatError, match=title):
            convert(LidcPickle, tmp_path / "a.pickle")
        assert not (tmp_path / "canary").exists()
        pickle.loads(payload)  # noqa: S301
        assert (tmp_path / "canary").exists()
    finally:
        copyreg.remove_extension("os", "system", code)


def test_a_small_file_cannot_make_much_memory(tmp_path):
    """One text of 2 MB, turned into bytes a thousand times and kept."""
    long = b"X" + struct.pack("<I", 2**21) + b"x" * 2**21 + b"\x94"
    again = name("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R"
    (tmp_path / "a").write_bytes(pickled(b"](" + long + again * 1000 + b"e"))
    with pytest.raises(DataFormatError, match="makes more than"):
        convert(LidcPickle, tmp_path / "a")


def test_references_to_references_are_not_followed(tmp_path):
    """Ten references to ten references, and so on: 10^30 numbers if anyone walked through them."""
    bomb = b"]\x94(" + number(1) + b"e"
    for level in range(30):
        bomb += b"]\x94(" + b"h" + bytes([level]) + (b"h" + bytes([level])) * 9 + b"e"
    (tmp_path / "a").write_bytes(pickled(b"](" + bomb + b"e"))
    tally = Tally()
    assert not list(LidcPickle(tmp_path / "a", Options()).read(tally))
    assert dict(tally.dropped) == {"no image": 1}


def test_limits_of_the_whole_file_hold(tmp_path, monkeypatch):
    """Made smaller here, so that the test is quick."""
    path = tmp_path / "a"
    path.write_bytes(pickle.dumps({f"{index}_slice0": {"image": index, "masks": []} for index in range(100)}))
    limits = (
        (_pickle_stream, "MAX_SLICES", 99),
        (_pickle_machine, "MAX_ALL_STEPS", 500),
        (_pickle_stream, "MAX_SHARED", 1),
    )
    for module, limit, value in limits:
        with monkeypatch.context() as changed:
            changed.setattr(module, limit, value)
            with pytest.raises(DataFormatError, match="more than"):
                survey(path)
    shared = np.zeros((8, 8))
    path.write_bytes(pickle.dumps({key: {"image": shared, "masks": [shared]} for key in GENUINE}))
    with monkeypatch.context() as changed:
        changed.setattr(_pickle_stream, "MAX_HELD", 100)
        with pytest.raises(DataFormatError, match="shares more than"):
            convert(LidcPickle, path)
    assert len(survey(path).keys) == 20


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit of the address space")
def test_all_of_them_are_refused_within_half_a_gigabyte(tmp_path):
    folder = tmp_path / "payloads"
    folder.mkdir()
    for index, payload in enumerate(PAYLOADS.values()):
        (folder / f"{index}.pickle").write_bytes(payload)
    command = [sys.executable, "-P", "-c", UNDER_A_LIMIT, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    verdicts, grown = json.loads(done.stdout)
    assert set(verdicts.values()) == {"refused"}
    assert len(verdicts) == len(PAYLOADS) > 300
    assert grown < 2**28
    assert [item.name for item in tmp_path.iterdir()] == ["payloads"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_truncation_of_a_genuine_pickle_is_refused(tmp_path, protocol):
    whole = pickle.dumps(GENUINE, protocol)
    path = tmp_path / "a.pickle"
    cuts = sorted({len(whole) * percent // 100 for percent in range(100)} | {len(whole) - 1, len(whole) - 2})
    for cut in cuts:
        path.write_bytes(whole[:cut])
        with pytest.raises(DataFormatError):
            LidcPickle(path, Options())
    path.write_bytes(whole)
    assert len(convert(LidcPickle, path)) == 20


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_damaged_bytes_give_slices_or_a_refusal_and_nothing_else(tmp_path, protocol):
    whole, path = pickle.dumps(dict(list(GENUINE.items())[:3]), protocol), tmp_path / "a.pickle"
    rng, verdicts = np.random.default_rng(protocol), set()
    for _ in range(400):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[at] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            convert(LidcPickle, path)
            verdicts.add("read")
        except DataFormatError:
            verdicts.add("refused")
    assert verdicts == {"read", "refused"}
    assert [item.name for item in tmp_path.iterdir()] == ["a.pickle"]
