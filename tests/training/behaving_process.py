"""A child that does what it is told, for the tests of `training.child` and `training.talk`."""

import os
import signal
import sys
import time
from pathlib import Path

from training.parent import answer_parent, limit_memory

print("a library greets the world while it is imported")  # noqa: T201 - as libraries do


def note(*_):
    Path(sys.argv[1]).write_text("told")
    raise SystemExit(3)


if len(sys.argv) > 1:
    signal.signal(signal.SIGTERM, note)
connection = answer_parent(5.0 if len(sys.argv) > 1 else 0.0)
while True:
    match connection.recv_bytes().decode().split():
        case ["echo", text]:
            print("noise", text)  # noqa: T201
            connection.send_bytes(text.encode())
        case ["signal", number]:
            os.kill(os.getpid(), int(number))
        case ["exit", code]:
            os._exit(int(code))
        case ["hang"]:
            time.sleep(600)
        case ["half"]:  # announce a message of 100 bytes, send one, and stop there
            os.write(connection.fileno(), b"\0\0\0\x64x")
            time.sleep(600)
        case ["hang", "up"]:
            connection.close()
            time.sleep(600)
        case ["take", gigabytes]:
            limit_memory(2**30)
            try:
                taken = bytearray(int(gigabytes) * 2**30)
                connection.send_bytes(b"taken")
            except MemoryError:
                connection.send_bytes(b"refused")
