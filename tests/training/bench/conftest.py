"""A network small enough to be measured in a test, of a kind that the peers have too."""

import pytest

from training.config import Config, FitConfig, NetworkConfig, SamplingConfig


@pytest.fixture(scope="session")
def small() -> Config:
    return Config(
        image_size=32,
        network=NetworkConfig(
            image_channels=3, base_channels=8, multipliers=(1, 2), res_blocks=(1, 2), middle_blocks=2, groups=4
        ),
        sampling=SamplingConfig(steps=3),
        fit=FitConfig(batch_size=4, warmup_steps=0, decay_steps=0, learning_rate=1e-3),
    )


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For all tests here."""
