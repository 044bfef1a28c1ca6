"""The application that the commands register with."""

from __future__ import annotations

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Learn, draw and measure what experts disagree about.  Research use only, not for diagnosis.",
)
