"""``python -m training`` as often as asked, each time in a process of its own, which finds torch imported already.

One line of JSON comes in, the arguments, and one goes out: exit code, standard output and standard error.  Nothing of
ours is imported before a process is on its own, so that what a command forgets to import is missed here too.
"""

import gc
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path

import h5py  # noqa: F401
import pydantic  # noqa: F401
import scipy.ndimage
import scipy.optimize  # noqa: F401
import torch  # noqa: F401
import typer  # noqa: F401


def run(arguments, out, err):
    """The command with these streams; it ends this process."""
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.argv[1:] = arguments
    runpy.run_module("training", run_name="__main__", alter_sys=True)
    sys.exit()


gc.freeze()  # or a process that ends would copy all of it, only to take it apart
for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            run(json.loads(line), out, err)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode())
    print(json.dumps([code, *said]), flush=True)  # noqa: T201
