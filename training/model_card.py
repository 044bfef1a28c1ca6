"""Model cards: the JSON beside a model's weights that says what it is.  Torch-free, so the viewer reads them too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from training.config import Config
from training.errors import CheckpointError

SHIPPED = Path(__file__).parent / "weights"
CHECKPOINTS = "checkpoints"  # in a run's folder


class ModelCard(BaseModel):
    """What a ``.safetensors`` file of weights needs beside it: ``NAME.json``.

    ``scores`` are the results of ``ambiseg evaluate`` with the command that gives them again; a checkpoint
    that was never evaluated has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    name: str
    summary: str = ""
    config: Config
    parameters: int
    step: int
    sha256: str
    training_data: tuple[str, ...] = ()
    licence: str = ""
    command: str = ""
    made_with: dict[str, str] = {}
    scores: dict[str, Any] = {}

    @property
    def preset(self) -> str:
        """Name of the preset that the model was trained with."""
        return self.config.preset

    @property
    def image_size(self) -> int:
        """Side, in pixels, of the squares that the model was trained on."""
        return self.config.image_size

    @property
    def sampler(self) -> str:
        """The sampler that it draws with unless told otherwise."""
        return self.config.sampling.sampler

    @property
    def steps(self) -> int:
        """Its number of sampling steps unless told otherwise."""
        return self.config.sampling.steps


def read_card(path: Path) -> ModelCard:
    """Read the card at ``path`` (``.json``).

    Raises
    ------
    CheckpointError
        If it is missing or is not a model card.
    """
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"no model card {path}; weights need the .json that was written beside them") from None
    except OSError as error:
        raise CheckpointError(f"cannot read the model card {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise CheckpointError(f"{path} is not a model card of this program: {where}: {first['msg']}") from error


def shipped_models() -> dict[str, ModelCard]:
    """The models that come with the program, by name."""
    return {path.stem: read_card(path) for path in sorted(SHIPPED.glob("*.json"))}


def find_weights(model: str | Path) -> Path:
    """The ``.safetensors`` file that a model's name or path means.

    Parameters
    ----------
    model : a shipped name, a ``.safetensors`` file, or a run folder, whose newest checkpoint is taken

    Raises
    ------
    CheckpointError
        If there is no such model, with the names that there are.
    """
    name = str(model)
    shipped = SHIPPED / f"{name}.safetensors"
    path = Path(model)
    try:
        if "/" not in name and shipped.is_file():
            return shipped
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # such as a name that is too long for any file
        why = error.strerror or error
        raise CheckpointError(f"no model {name[:80]!r}: {why}; choose another file or folder") from error
    if is_folder:
        newest = newest_checkpoint(path)
        if newest is None:
            raise CheckpointError(f"no complete checkpoint in {path}; train there first, or name a .safetensors file")
        return newest
    if path.suffix == ".safetensors" and is_file:
        return path
    names = ", ".join(shipped_models()) or "none is shipped"
    raise CheckpointError(f"no model {name!r}; choose one of: {names}, or give a run folder or a .safetensors file")


def checkpoints(run_dir: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first.  One is complete once its card, written last, is there."""
    found = (run_dir / CHECKPOINTS).glob("step-*.safetensors")
    return sorted(path for path in found if path.with_suffix(".json").is_file())


def newest_checkpoint(run_dir: Path) -> Path | None:
    """The newest complete checkpoint of a run, or None."""
    found = checkpoints(run_dir)
    return found[-1] if found else None
