"""The command that proves and measures everything on a GPU; its options are those of `training.gpu_check`."""

from __future__ import annotations

import typer

from training.cli._app import app


@app.command(
    "gpu-check",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def gpu_check(context: typer.Context) -> None:
    """Prove and measure on this machine's GPU what was promised (--help shows the options)."""
    from training.gpu_check.command import main

    raise typer.Exit(main(context.args))
