"""A run in words: what drew it, how, and how many.  No Qt."""

from __future__ import annotations

from napari_ambiseg.runs import Run


def described(run: Run) -> str:
    """A run in one line: what drew it, how, and how many."""
    return ", ".join(part for part in _parts(run) if part)


def _parts(run: Run) -> tuple[str, ...]:
    made, wish = run.provenance, run.wish
    steps = made.get("steps", wish.steps)
    return (
        run.model.rsplit("/", 1)[-1].removesuffix(".safetensors"),
        str(made.get("sampler", wish.sampler or "")),
        f"{steps} steps" if steps else "",
        f"grid {wish.grid}" if wish.grid else "",
        f"eta {wish.eta:g}" if wish.eta is not None else "",
        f"guidance {wish.guidance:g}" if wish.guidance is not None else "",
        f"seed {run.seed}",
        f"n {run.n}",
    )


def names_apart(first: Run, second: Run) -> tuple[str, str]:
    """In what A and B differ, for the corners of two pictures, where there is little room."""
    differing = [(a, b) for a, b in zip(_parts(first), _parts(second), strict=True) if a != b]
    one, other = (
        (", ".join(part for part in parts if part) for parts in zip(*differing, strict=True)) if differing else ("", "")
    )
    return f"A: {one}" if one else "A", f"B: {other}" if other else "B"
