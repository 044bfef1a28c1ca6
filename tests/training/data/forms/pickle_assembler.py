"""A small assembler of pickles, for those that no pickler would write."""

import struct


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
