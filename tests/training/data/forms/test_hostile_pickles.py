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

# A small assembler: protocol 4 unless it says otherwise.


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def data(value):
    return b"B" + struct.pack("<I", len(value)) + value


def number(value):
    return b"J" + struct.pack("<i", value)


def old_name(module, name):
    return f"c{module}\n{name}\n".encode()


def name(module, attribute):
    return text(module) + text(attribute) + b"\x93"


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def call(function, *arguments):
    return function + tuple_of(*arguments) + b"R"


def pickled(value, protocol=4):
    """A dict of one slice whose field ``image`` is ``value``."""
    fields = text("image") + value + text("masks") + b"]"
    return bytes([0x80, protocol]) + b"}(" + text("1_slice0") + b"}(" + fields + b"uu."


def bare(value, protocol=4):
    """A pickle that is ``value`` and nothing else."""
    return bytes([0x80, protocol]) + value + b"."


MULTIARRAY = "numpy._core.multiarray"
NDARRAY = name("numpy", "ndarray")


def dtype(code="f8", order="<", names=b"N"):
    made = call(name("numpy", "dtype"), text(code), b"\x89", b"\x88")
    return made + tuple_of(number(3), text(order), b"N", names, b"N", number(-1), number(-1), number(0)) + b"b"


def empty_array():
    return call(name(MULTIARRAY, "_reconstruct"), NDARRAY, tuple_of(number(0)), data(b"b"))


def array(shape=(2,), kind=None, content=bytes(16)):
    state = (number(1), tuple_of(*map(number, shape)), kind or dtype(), b"\x89", data(content))
    return empty_array() + tuple_of(*state) + b"b"


def frombuffer(shape=(2,), kind=None, content=bytes(16), order="C"):
    function = name("numpy._core.numeric", "_frombuffer")
    return call(function, data(content), kind or dtype(), tuple_of(*map(number, shape)), text(order))


def filled(shape, content, kind=None):
    """An array of anything for a shape and bytes."""
    return empty_array() + tuple_of(number(1), shape, kind or dtype(), b"\x89", content) + b"b"


def reconstruct(*arguments):
    return call(name(MULTIARRAY, "_reconstruct"), *arguments)


def from_any_shape(shape):
    return call(name("numpy._core.numeric", "_frombuffer"), data(bytes(16)), dtype(), shape, text("C"))


def encode(value, codec):
    return call(name("_codecs", "encode"), text(value), text(codec))


# Names that would run something, with arguments that would leave a file called canary where they can.
GADGETS = [
    ("os", "system", "touch canary"),
    ("posix", "system", "touch canary"),
    ("nt", "system", "echo > canary"),
    ("os", "popen", "touch canary"),
    ("os", "mkdir", "canary"),
    ("subprocess", "getoutput", "touch canary"),
    ("subprocess", "Popen", "canary"),
    ("builtins", "eval", "open('canary', 'w')"),
    ("builtins", "exec", "open('canary', 'w')"),
    ("__builtin__", "eval", "open('canary', 'w')"),
    ("builtins", "__import__", "antigravity"),
    ("builtins", "getattr", "x"),
    ("builtins", "compile", "1"),
    ("builtins", "open", "canary"),
    ("io", "open", "canary"),
    ("importlib", "import_module", "antigravity"),
    ("runpy", "run_path", "canary"),
    ("timeit", "timeit", "open('canary', 'w')"),
    ("code", "InteractiveInterpreter", "x"),
    ("pdb", "run", "open('canary', 'w')"),
    ("cProfile", "run", "open('canary', 'w')"),
    ("shutil", "rmtree", "canary"),
    ("pickle", "loads", "x"),
    ("_pickle", "loads", "x"),
    ("copyreg", "_reconstructor", "x"),
    ("codecs", "encode", "x"),
    ("_codecs", "decode", "x"),
    ("functools", "partial", "x"),
    ("operator", "attrgetter", "x"),
    ("operator", "methodcaller", "x"),
    ("types", "FunctionType", "x"),
    ("ctypes", "CDLL", "canary"),
    ("marshal", "loads", "x"),
    ("pip", "main", "install x"),
    ("numpy.testing._private.utils", "runstring", "open('canary', 'w')"),
    ("numpy.testing", "runstring", "open('canary', 'w')"),
    ("numpy.testing", "rundocs", "canary"),
    ("numpy.f2py", "compile", "x"),
    ("numpy.f2py.crackfortran", "getlincoef", "open('canary', 'w')"),
    ("numpy.f2py.crackfortran", "param_eval", "open('canary', 'w')"),
    ("numpy.f2py.capi_maps", "load_f2cmap_file", "canary"),
    ("numpy.distutils.exec_command", "exec_command", "touch canary"),
    ("numpy.ma.core", "_mareconstruct", "x"),
    ("numpy", "load", "canary"),
    ("numpy", "memmap", "canary"),
    ("numpy", "fromfile", "canary"),
    ("numpy", "save", "canary"),
    ("numpy", "recarray", "x"),
    ("numpy.core.multiarray", "fromfile", "canary"),
    ("numpy._core.multiarray", "frombuffer", "x"),
    ("numpy._core.multiarray", "_reconstruct.__globals__", "x"),
    ("numpy._core", "multiarray._reconstruct", "x"),
    ("numpy", "ndarray.__setstate__", "x"),
    ("numpy", "ndarray.tofile", "canary"),
    ("numpy", "dtype.__class__", "x"),
    ("numpy", "_core.multiarray._reconstruct", "x"),
    ("numpy ", "dtype", "x"),
    ("numpy", " dtype", "x"),
    ("", "numpy dtype", "x"),
    ("numpy dtype", "", "x"),
    ("Numpy", "dtype", "x"),
    ("torch", "load", "canary"),
    ("torch._utils", "_rebuild_tensor_v2", "x"),
    ("torch.storage", "_load_from_bytes", "x"),
    ("pydicom", "dcmread", "canary"),
    ("pydicom.uid", "generate_uid", "x"),
    ("pydicom.uid", "UID.__new__", "x"),
    ("pydicom.valuerep", "PersonName", "x"),
    ("pydicom.multival", "ConstrainedList", "x"),
    ("pydicom.config", "os.system", "touch canary"),
]

ONE = pickle.dumps({"1_slice0": {"image": 1, "masks": []}})
HUGE = struct.pack("<Q", 2**62)

PAYLOADS = {
    # the extension registry, whose names no reader of names sees
    "EXT1": pickled(call(b"\x82\xf0", text("touch canary"))),
    "EXT2": pickled(call(b"\x83\xf0\x00", text("touch canary"))),
    "EXT4": pickled(call(b"\x84\xf0\x00\x00\x00", text("touch canary"))),
    # opcodes that no pickle of arrays has
    "INST": pickled(b"(" + text("touch canary") + b"ios\nsystem\n"),
    "OBJ": pickled(b"(" + old_name("os", "system") + text("touch canary") + b"o"),
    "NEWOBJ_EX": pickled(name("subprocess", "Popen") + tuple_of(text("canary")) + b"}\x92"),
    "persistent id": pickled(text("os.system") + b"Q"),
    "persistent id in a line": pickled(b"Pos.system\n"),
    "POP hides a call": pickled(call(name("os", "system"), text("touch canary")) + b"0" + number(1)),
    "POP of a plain value": pickled(number(1) + b"0" + number(1)),
    "POP_MARK": pickled(b"(" + number(1) + b"1" + number(1)),
    "DUP": pickled(b"]2a"),
    "buffers out of band": pickled(b"\x97", 5),
    "read-only buffers": pickled(data(b"x") + b"\x98", 5),
    "FROZENSET": pickled(b"(" + number(1) + b"\x91"),
    "a set of items": pickled(b"\x8f(" + number(1) + b"\x90"),
    "a string with escapes": pickled(b"S'\\x6f\\x73'\n"),
    "bytes of Python 2": pickled(b"U\x02os"),
    "numbers in lines": pickled(b"I1\n"),
    "LONG in a line": pickled(b"L" + b"9" * 200 + b"L\n"),
    "FLOAT in a line": pickled(b"F1e9\n"),
    "a memo in lines": pickled(b"]p0\ng0\na"),
    "LONG4": pickled(b"\x8b" + struct.pack("<i", 100) + b"\x7f" * 100),
    "an opcode that does not exist": pickled(b"\xff"),
    "PROTO again": pickled(b"\x80\x04" + number(1)),
    # lengths
    "LONG4 of 2 GB": pickled(b"\x8b" + struct.pack("<i", 2**31 - 1)),
    "LONG4 of a negative length": pickled(b"\x8b" + struct.pack("<i", -1)),
    "BINBYTES8 of 2^62": pickled(b"\x8e" + HUGE),
    "BINUNICODE8 of 2^62": pickled(b"\x8d" + HUGE),
    "BYTEARRAY8 of 2^62": pickled(b"\x96" + HUGE, 5),
    "BYTEARRAY8 of 2^64 - 1": pickled(b"\x96" + b"\xff" * 8, 5),
    "BINBYTES of 4 GB": pickled(b"B\xff\xff\xff\xff"),
    "BINUNICODE of 4 GB": pickled(b"X\xff\xff\xff\xff"),
    "a frame of 2^62 and nothing in it": bytes([0x80, 4, 0x95]) + HUGE,
    "text that is not UTF-8": pickled(b"X\x01\x00\x00\x00\xff"),
    "a name of 100 kB": pickled(b"cnumpy\n" + b"d" * 100_000 + b"\n"),
    "a name without an end": bytes([0x80, 4]) + b"}(" + text("1_slice0") + b"}(" + text("image") + b"cnumpy\ndtype",
    # names in other ways
    "a name with a newline": pickled(name("numpy", "dtype\nos\nsystem")),
    "a name with a null": pickled(name("numpy", "dtype\0")),
    "a name in other letters": pickled(old_name("numpy", "ｄtype")),
    "a name with an escape": pickled(old_name("numpy", "d\\x74ype")),
    "a name with an unknown escape": pickled(old_name("numpy", "dtype\\}")),
    "a name that is bytes": pickled(data(b"os") + data(b"system") + b"\x93"),
    "a name that is a UID": pickled(call(name("pydicom.uid", "UID"), text("numpy")) + text("dtype") + b"\x93"),
    "a name that is a list": pickled(b"]]\x93"),
    "a name with nothing below": bytes([0x80, 4]) + b"\x93.",
    # calls of what may be named
    "REDUCE of a string": pickled(call(text("os.system"), text("touch canary"))),
    "REDUCE of a list": pickled(call(b"]", text("touch canary"))),
    "REDUCE of a result": pickled(call(call(name("pydicom.uid", "UID"), text("1.2")), text("x"))),
    "REDUCE with a list for arguments": pickled(name("numpy", "dtype") + b"]" + b"R"),
    "REDUCE of ndarray": pickled(call(NDARRAY, tuple_of(number(2**30), number(2**30)))),
    "NEWOBJ of ndarray": pickled(NDARRAY + tuple_of(tuple_of(number(2**30), number(2**30))) + b"\x81"),
    "NEWOBJ of dtype": pickled(name("numpy", "dtype") + tuple_of(text("f8"), b"\x89", b"\x88") + b"\x81"),
    "NEWOBJ of a function": pickled(name("_codecs", "encode") + tuple_of(text("x"), text("latin1")) + b"\x81"),
    "REDUCE of pydicom's DS": pickled(call(name("pydicom.valuerep", "DS"), text("1"))),
    "too many arguments": pickled(call(name("numpy", "dtype"), *[text("f8")] * 9)),
    "no arguments": pickled(call(name("numpy", "dtype"))),
    "a UID of a list": pickled(call(name("pydicom.uid", "UID"), b"]")),
    "a decimal of a word": pickled(call(name("pydicom.valuerep", "DSfloat"), text("touch canary"))),
    "a decimal of many digits": pickled(call(name("pydicom.valuerep", "DSfloat"), text("9" * 9000))),
    # codecs
    "codec rot13": pickled(encode("bf.flfgrz", "rot13")),
    "codec zlib": pickled(encode("x", "zlib_codec")),
    "codec unicode_escape": pickled(encode("\\x41", "unicode_escape")),
    "codec utf-8": pickled(encode("é", "utf-8")),
    "codec that is bytes": pickled(call(name("_codecs", "encode"), text("x"), data(b"latin1"))),
    "codec of bytes": pickled(call(name("_codecs", "encode"), data(b"x"), text("latin1"))),
    "codec with an error handler": pickled(call(name("_codecs", "encode"), text("x"), text("latin1"), text("ignore"))),
    "latin1 of what is not": pickled(encode("€", "latin1")),
    # types
    "type object": pickled(array(kind=dtype("O8"))),
    "type object by name": pickled(array(kind=dtype("O"))),
    "type text": pickled(array(kind=dtype("U4"))),
    "type void": pickled(array(kind=dtype("V16"))),
    "type date": pickled(array(kind=dtype("M8[ns]"))),
    "type complex": pickled(array(kind=dtype("c16"))),
    "type long double": pickled(array(kind=dtype("f16"))),
    "type of fields": pickled(array(kind=dtype("f8,O8"))),
    "type with a shape": pickled(array(kind=dtype("(1000000000,)f8"))),
    "type by a list": pickled(
        call(name("numpy", "dtype"), b"]" + tuple_of(text("a"), text("O")) + b"a", b"\x89", b"\x88")
    ),
    "type whose state has names": pickled(array(kind=dtype("f8", names=tuple_of(text("a"))))),
    "type whose state is a list": pickled(call(name("numpy", "dtype"), text("f8"), b"\x89", b"\x88") + b"]b"),
    "type in an unknown byte order": pickled(array(kind=dtype("f8", order="x"))),
    "an array for a type": pickled(array(kind=array())),
    # arrays
    "a shape of 1 EB": pickled(array(shape=(2**30, 2**30))),
    "a shape of 4096 x 4096 in 16 bytes": pickled(array(shape=(4096, 4096))),
    "a shape of 10 000 x 10 000": pickled(frombuffer(shape=(10_000, 10_000))),
    "a shape with a negative side": pickled(array(shape=(-2,))),
    "two negative sides": pickled(array(shape=(-2, -1))),
    "frombuffer with a negative shape": pickled(frombuffer(shape=(-1,))),
    "a shape of 70 axes": pickled(array(shape=(1,) * 70, content=bytes(8))),
    "a shape of floats": pickled(from_any_shape(tuple_of(b"G" + struct.pack(">d", 2.0)))),
    "a shape of bools": pickled(filled(tuple_of(b"\x88"), data(bytes(8)))),
    "a shape that overflows": pickled(from_any_shape(tuple_of(b"\x8a\xff" + b"\x7f" * 255))),
    "more bytes than the shape": pickled(array(content=bytes(17))),
    "fewer bytes than the shape": pickled(frombuffer(content=bytes(8))),
    "an array from a string": pickled(filled(tuple_of(number(2)), text("x" * 16))),
    "an array from a list": pickled(filled(tuple_of(number(2)), b"]" + number(1) + b"a")),
    "an array filled twice": pickled(
        array() + tuple_of(number(1), tuple_of(number(2)), dtype(), b"\x89", data(bytes(16))) + b"b"
    ),
    "an array never filled": pickled(empty_array()),
    "an array in an order of its own": pickled(frombuffer(order="A")),
    "a subclass for an array": pickled(reconstruct(name("numpy", "dtype"), tuple_of(number(0)), data(b"b"))),
    "an array that starts large": pickled(reconstruct(NDARRAY, tuple_of(number(2**30)), data(b"b"))),
    "a scalar object": pickled(call(name(MULTIARRAY, "scalar"), dtype("O8"), data(bytes(8)))),
    "a scalar of too many bytes": pickled(call(name(MULTIARRAY, "scalar"), dtype(), data(bytes(9)))),
    # states
    "BUILD of a list": pickled(b"]}b"),
    "BUILD of a dict": pickled(b"}}b"),
    "BUILD of a name": pickled(name("numpy", "dtype") + b"}" + text("x") + number(1) + b"sb"),
    "BUILD of the whole": bytes([0x80, 4]) + b"}}b.",
    "BUILD of nothing": bytes([0x80, 4]) + b"}b.",
    # structure
    "10^6 lists": bare(b"]" * 10**6 + b"a" * (10**6 - 1)),
    "10^6 lists in a slice": pickled(b"]" * 10**6 + b"a" * (10**6 - 1)),
    "10^6 dicts in a slice": pickled((b"}" + text("a")) * 10**6 + number(1) + b"s" * 10**6),
    "10^6 marks in a slice": pickled(b"(" * 10**6 + b"t" * 10**6),
    "10^6 marks": bare(b"(" * 10**6 + b"t" * 10**6),
    "10^6 tuples in a slice": pickled(b")" + b"\x85" * 10**6),
    "a deep tuple for a key": bare(b"}(" + b")" + b"\x85" * 19_000 + b"}u"),
    "a deep tuple for a field": pickled(b"}" + b")" + b"\x85" * 19_000 + number(1) + b"s"),
    "10^6 deep in the whole dict": bare((b"}" + text("a")) * 10**6 + b"}" + b"s" * 10**6),
    "a list in itself as a key": bare(b"}(]\x94h\x00a}u"),
    "a dict that holds itself": bare(b"}\x94(" + text("a") + b"h\x00" + text("b") + b"h\x00u"),
    "a memo that is not there": pickled(b"h\x63"),
    "a memo counted and named": pickled(b"]\x94]q\x05"),
    "a memo of 10^6 names": pickled(b"]" + b"".join(b"r" + struct.pack("<I", 4000 * i) for i in range(10**6))),
    "a mark that is never closed": bytes([0x80, 4]) + b"}(" + text("a") + b"}.",
    "a close without a mark": bytes([0x80, 4]) + b"}t.",
    "an odd number of items": bare(b"}(" + text("a") + b"u"),
    "an odd number of fields": bare(b"}(" + text("a") + b"}(" + text("b") + b"uu"),
    "items of a number": bare(b"}(" + text("a") + number(1) + b"(" + text("b") + number(2) + b"uu"),
    "entries of a tuple": bare(b"}\x85(" + text("a") + b"}" + text("b") + b"}u"),
    "an entry of a tuple": bare(b"}\x85" + text("a") + b"}s"),
    "a key with a null": bare(b"}(" + text("a\0") + b"}u"),
    "a key with a newline": bare(b"}(" + text("a\nb") + b"}u"),
    "a key that no file can hold": bare(b"}(X\x03\x00\x00\x00\xed\xa0\x80" + b"}u"),
    "a key without characters": bare(b"}(" + text("") + b"}u"),
    "a key of 100 kB": bare(b"}(" + text("a" * 100_000) + b"}u"),
    "no opcodes": bytes([0x80, 4]),
    "nothing but an end": bytes([0x80, 4]) + b".",
    "two values": bytes([0x80, 4]) + b"}}.",
    "another pickle behind": ONE + bare(call(name("os", "system"), text("touch canary"))),
    "bytes behind": ONE + b"\0",
    "protocol 0": b"cos\nsystem\n(S'touch canary'\ntR.",
    "protocol 1": b"(cos\nsystem\nX\x01\x00\x00\x00xo.",
    "protocol 6": bytes([0x80, 6]) + b"}.",
}

for _module, _name, _argument in GADGETS:
    for _way, _make in (("", name), (", by GLOBAL", old_name)):
        _title = f"{_module}.{_name}{_way}"
        PAYLOADS[_title] = pickled(call(_make(_module, _name), text(_argument)), 4 if _make is name else 2)
    PAYLOADS[f"{_module}.{_name}, in place of the dict"] = bare(call(name(_module, _name), text(_argument)))
    PAYLOADS[f"{_module}.{_name}, as a class"] = pickled(name(_module, _name) + tuple_of(text(_argument)) + b"\x81")


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
