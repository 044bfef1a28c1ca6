"""One command that proves and measures on a machine with a GPU what was promised: ``make gpu-check``.

`check` goes through the `parts`, each in a process of its own (`part_process`) that may fail or hang without harm to
the others; `record` keeps what they found, so that nothing is measured twice; `page` tells it.  The measurements are
those of ``ambiseg bench``.
"""
