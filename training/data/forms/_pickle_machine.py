"""The stack machine for the part of the pickle format that a dict of slices needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from training.data.forms._pickle_reader import MAX_BYTES, PROTOCOLS, PickleReader
from training.data.forms._pickle_stand_ins import (
    ENCODE,
    NAMES,
    Name,
    RefusalError,
    StandIn,
    StoredArray,
    StoredType,
    show,
)

MAX_STEPS = 20_000  # opcodes of one entry; four experts take some 200
MAX_ALL_STEPS = 20_000_000
MAX_NESTING = 32
MAX_KEY = 200  # characters
MAX_TEXT = 1000  # characters or bytes; what is longer is data

_NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_BYTES = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8")
_GETS = ("BINGET", "LONG_BINGET")
_KEYS = frozenset((*_TEXTS, *_GETS))


class Machine(ABC):
    """Runs opcodes, and hands out each entry of the outermost dict when it is complete.

    That dict itself is never filled.  An entry is complete when the next key or the end of its batch follows, so keys
    must be text and values dicts.  Subclasses say what becomes of data, calls and references.
    """

    def __init__(self, reader: PickleReader) -> None:
        self.step = 0  # number of the present opcode
        self._reader = reader
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stack under each open mark
        self._n_slots = 0
        self._put_by: str | None = None
        self._first_step = self._encoded = 0  # of the present entry
        push = self._push
        self._run: dict[str, Callable[[Any], None]] = {
            **dict.fromkeys(_NUMBERS, push),
            **dict.fromkeys(_TEXTS + _BYTES, self._push_data),
            **dict.fromkeys(_GETS, lambda slot: push(self.get(slot))),
            "NONE": lambda _: push(None),
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            "EMPTY_LIST": lambda _: push([]),
            "EMPTY_DICT": lambda _: push({}),
            "EMPTY_TUPLE": lambda _: push(()),
            "TUPLE": lambda _: push(tuple(self._pop_mark())),
            "TUPLE1": lambda _: push(tuple(self._pop(1))),
            "TUPLE2": lambda _: push(tuple(self._pop(2))),
            "TUPLE3": lambda _: push(tuple(self._pop(3))),
            "MARK": self._mark,
            "FRAME": lambda _: None,  # how the file was buffered when it was written
            "APPEND": lambda _: self._append(self._pop(1)),
            "APPENDS": lambda _: self._append(self._pop_mark()),
            "SETITEM": lambda _: self._set_items(self._pop(2)),
            "SETITEMS": lambda _: self._set_items(self._pop_mark()),
            "BINPUT": lambda slot: self._put("slot", slot),
            "LONG_BINPUT": lambda slot: self._put("slot", slot),
            "MEMOIZE": lambda _: self._put("count", self._n_slots),
            "GLOBAL": lambda text: push(_find(text)),
            "STACK_GLOBAL": lambda _: push(_find_pair(*self._pop(2))),
            "REDUCE": lambda _: self._call(new=False),
            "NEWOBJ": lambda _: self._call(new=True),
            "BUILD": self._build,
        }

    # What subclasses decide.

    @abstractmethod
    def data(self, value: str | bytes | bytearray) -> object:
        """What stands for a long text or bytes."""

    def call(self, name: Name, arguments: tuple[object, ...]) -> object:
        """What a name gives that may be called with so many arguments."""
        return name.make(*arguments)

    @abstractmethod
    def put(self, slot: int, value: object) -> None:
        """Remember an object."""

    @abstractmethod
    def get(self, slot: int) -> object:
        """A remembered object."""

    def entry_ends(self) -> None:
        """An entry has been handed out."""
        self._first_step, self._encoded = self.step, 0
        self._reader.start_entry()

    # The walk.

    def entries(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Each key with its value, of which nothing is kept here."""
        opcodes = self._reader.opcodes()
        name, protocol = next(opcodes)
        if name != "PROTO" or protocol not in PROTOCOLS:
            raise RefusalError(f"is no pickle of protocol {PROTOCOLS[0]} to {PROTOCOLS[-1]}")
        for name, argument in opcodes:
            self.step += 1
            if self.step - self._first_step > MAX_STEPS:
                raise RefusalError(f"takes more than {MAX_STEPS:,} opcodes for one slice; a slice takes some 200")
            if self.step > MAX_ALL_STEPS:
                raise RefusalError(f"takes more than {MAX_ALL_STEPS:,} opcodes; the published one takes some 3,000,000")
            if name == "STOP":
                continue
            run = self._run.get(name)
            if run is None:
                raise RefusalError(f"uses the opcode {name}, which a pickle of arrays does not need, and is refused")
            if not self._stack and not self._below and name not in ("EMPTY_DICT", "FRAME"):
                raise RefusalError("is not a dict of slices by their keys")
            if len(self._below) <= 1 and self._is_complete(name):
                yield self._take_entry()
                self.entry_ends()
                if name == "SETITEM":
                    continue
            run(argument)
        if self._below or len(self._stack) != 1 or type(self._stack[0]) is not dict:
            raise RefusalError("ends in the middle; the file is damaged")

    def _is_complete(self, name: str) -> bool:
        """Whether a whole entry stands on the outermost dict, seen from the next opcode."""
        if self._below:  # dict ( key value key value ... SETITEMS
            return len(self._stack) == 2 and (name == "SETITEMS" or name in _KEYS) and len(self._below[0]) == 1
        return len(self._stack) == 3 and name == "SETITEM"

    def _take_entry(self) -> tuple[str, dict[str, object]]:
        key, value = self._pop(2)
        if not isinstance(key, str) or not is_name(key):
            raise RefusalError(f"has a key that is {show(key)}; keys must be printable, up to {MAX_KEY} characters")
        if not isinstance(value, dict):
            raise RefusalError(f"has no dict for {show(key)}, but {show(value)}; the layout is another one")
        return str(key), {name: _plain(item) for name, item in value.items()}

    # The opcodes.

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _push_data(self, value: str | bytes | bytearray) -> None:
        self._stack.append(self.data(value) if len(value) > MAX_TEXT else value)

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise RefusalError("takes more from its stack than there is; the file is damaged")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _mark(self, _: object) -> None:
        if len(self._below) == MAX_NESTING:
            raise RefusalError(f"nests more than {MAX_NESTING} deep; a pickle of slices has 4 levels")
        self._below.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[Any]:
        if not self._below:
            raise RefusalError("closes what it did not open; the file is damaged")
        taken, self._stack = self._stack, self._below.pop()
        return taken

    def _top(self) -> Any:
        if not self._stack:
            raise RefusalError("takes more from its stack than there is; the file is damaged")
        return self._stack[-1]

    def _append(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not list:
            raise RefusalError(f"appends to {show(target)}, and is refused")
        target.extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not dict or len(items) % 2:
            raise RefusalError(f"sets items of {show(target)}, and is refused")
        if target is self._bottom() and items:
            raise RefusalError("is not a dict of slices by their keys")
        keys = items[::2]
        # Other keys would be hashed here, which for deep tuples can exhaust the machine's stack.
        if not all(isinstance(key, str) for key in keys):
            raise RefusalError("has a field whose name is not text")
        target.update(zip(keys, items[1::2], strict=True))

    def _bottom(self) -> Any:
        return (self._below[0] if self._below else self._stack)[0]

    def _put(self, by: str, slot: int) -> None:
        """Remember the top; a file counts its slots (protocol 4, 5) or names them (2, 3)."""
        if self._put_by not in (None, by):
            raise RefusalError("both counts and names what it refers to; no pickle does")
        self._put_by = by
        self._n_slots += 1
        self.put(slot, self._top())

    def _call(self, *, new: bool) -> None:
        name, arguments = self._pop(2)
        if not isinstance(name, Name) or not isinstance(arguments, tuple) or not name.allows(len(arguments), new=new):
            raise RefusalError(f"calls {show(name)} in a way that no pickle of arrays does, and is refused")
        result = self.call(name, arguments)
        if name is ENCODE and isinstance(result, bytes):
            # The same text may be encoded again and again: a small file, but much memory.
            self._encoded += len(result)
            if self._encoded > MAX_BYTES:
                raise RefusalError(f"makes more than {MAX_BYTES:,} bytes of one slice")
        self._push(result)

    def _build(self, _: object) -> None:
        (state,) = self._pop(1)
        target = self._top()
        if not isinstance(target, StoredArray | StoredType | StandIn):
            raise RefusalError(f"sets the state of {show(target)}, and is refused")
        target.build(state)


def is_name(text: str) -> bool:
    """Whether a text can name a slice or a patient, in messages and in files."""
    return 0 < len(text) <= MAX_KEY and text.isprintable()


def _find(text: str) -> Name:
    if text not in NAMES:
        raise RefusalError(f"asks for {show(text.replace(' ', '.', 1))} and is refused; only arrays are read")
    return NAMES[text]


def _find_pair(module: object, name: object) -> Name:
    if type(module) is not str or type(name) is not str:
        raise RefusalError(f"asks for a name that is {show(module)} and {show(name)}, and is refused")
    return _find(f"{module} {name}")


def _plain(value: object) -> object:
    """A field of an entry: an array, a list with arrays, or anything else as it is."""
    if isinstance(value, list | tuple) and not isinstance(value, StandIn):
        return [_plain(item) if isinstance(item, StoredArray) else item for item in value]
    if not isinstance(value, StoredArray):
        return value
    if value.values is None:
        raise RefusalError("holds an array without values")
    return value.values
