"""The plan of a step: a function of (seed, step) alone, each of its choices with a stream of its own."""

import numpy as np
import pytest

from training.config import AugmentConfig, Config, DiffusionConfig, FitConfig, NetworkConfig
from training.errors import DataFormatError
from training.fit.visits import Visits

ANY_SIZE = NetworkConfig(multipliers=(1,), res_blocks=(1,))
SHAPES = [(40, 4, 12, 15), (25, 2, 8, 8)]
EVERY = {
    "augment": AugmentConfig(dihedral=True, probability=0.5),
    "self_conditioning": True,
    "image_dropout": 0.3,
}


def visits(shapes=SHAPES, image_size=8, batch_size=8, seed=0, augment=None, **diffusion):
    fit = FitConfig(batch_size=batch_size, seed=seed, augment=augment or AugmentConfig())
    config = Config(image_size=image_size, network=ANY_SIZE, fit=fit, diffusion=DiffusionConfig(**diffusion))
    return Visits(shapes, config)


def whole(made, steps, batch_size=8):
    return made.plan(steps, slice(0, batch_size))


def assert_same(one, other, names=("visits", "indices", "sources", "rows", "experts", "corners", "t")):
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_plan_depends_on_seed_and_step_alone():
    first, second = visits(seed=3, **EVERY), visits(seed=3, **EVERY)
    for step in (40, 0, 17):  # asked for in another order
        whole(second, range(step, step + 1))
    for step in range(0, 60, 7):
        one, other = (whole(made, range(step, step + 1)) for made in (first, second))
        assert_same(one, other)
        assert_same(one, other, ["self_conditioned", "imageless"])
        np.testing.assert_array_equal(one.augmentation.angle, other.augmentation.angle)
    assert (whole(first, range(3)).t != whole(visits(seed=4, **EVERY), range(3)).t).all()


def test_a_plan_of_several_steps_or_of_a_part_is_made_of_the_same_numbers():
    made = visits(**EVERY)
    steps = [whole(made, range(step, step + 1)) for step in range(5, 14)]
    together = whole(made, range(5, 14))
    parts = [made.plan(range(5, 14), slice(*part)) for part in ((0, 3), (3, 8))]
    for name in ("visits", "indices", "rows", "experts", "corners", "t", "self_conditioned", "imageless"):
        alone = np.concatenate([getattr(plan, name) for plan in steps])
        np.testing.assert_array_equal(getattr(together, name), alone, err_msg=name)
        by_part = [getattr(part, name).reshape(9, -1, *alone.shape[1:]) for part in parts]
        np.testing.assert_array_equal(np.concatenate(by_part, axis=1).reshape(alone.shape), alone, err_msg=name)


def test_visits_number_the_items_of_all_steps_on_end():
    np.testing.assert_array_equal(whole(visits(), range(2, 4)).visits, np.arange(16, 32))


def test_a_slice_is_found_in_its_source():
    plan = whole(visits(), range(30))
    np.testing.assert_array_equal(plan.sources, plan.indices >= 40)
    np.testing.assert_array_equal(plan.rows, plan.indices - 40 * plan.sources)


def test_an_epoch_that_ends_within_a_step_still_shows_every_slice_once():
    plan = whole(visits(), range(65))  # 8 epochs of 65 slices in batches of 8
    for epoch in np.split(plan.indices, 8):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(65))


def test_crops_lie_within_their_slices_and_reach_every_corner():
    plan = whole(visits(), range(400))
    for source, (rows, columns) in enumerate([(5, 8), (1, 1)]):
        top, left = plan.corners[plan.sources == source].T
        np.testing.assert_array_equal(np.unique(top), np.arange(rows))
        np.testing.assert_array_equal(np.unique(left), np.arange(columns))


@pytest.mark.parametrize(("name", "share"), [("self_conditioned", 0.5), ("imageless", 0.3)])
def test_coins_show_their_share(name, share):
    coins = getattr(whole(visits(**EVERY), range(500)), name)
    assert coins.dtype == bool
    assert abs(coins.mean() - share) < 5 * np.sqrt(share * (1 - share) / coins.size)


def test_the_two_coins_of_a_visit_are_independent():
    plan = whole(visits(self_conditioning=True, image_dropout=0.5), range(500))
    assert abs(np.corrcoef(plan.self_conditioned, plan.imageless)[0, 1]) < 5 / np.sqrt(4000)


def test_what_is_switched_off_draws_nothing_and_changes_nothing_else():
    plain, full = whole(visits(), range(20)), whole(visits(**EVERY), range(20))
    assert plain.augmentation is plain.self_conditioned is plain.imageless is None
    assert_same(plain, full)
    for name in ("self_conditioned", "imageless"):
        only = {key: value for key, value in EVERY.items() if key != "augment"}
        np.testing.assert_array_equal(getattr(full, name), getattr(whole(visits(**only), range(20)), name))


def test_a_larger_dropout_drops_the_same_images_and_more():
    few, many = (whole(visits(image_dropout=p), range(100)).imageless for p in (0.1, 0.6))
    assert (many | ~few).all()
    assert many.sum() > few.sum()


def test_runs_of_old_keep_their_slices_experts_crops_and_times():
    """Never to change: checkpoints of unfinished runs go on from these."""
    plan = whole(visits(seed=7), range(3, 4))
    assert plan.indices.tolist() == PINNED["indices"]
    assert plan.experts.tolist() == PINNED["experts"]
    assert plan.corners.tolist() == PINNED["corners"]
    np.testing.assert_allclose(plan.t[:3], PINNED["t"], rtol=1e-14)


PINNED = {
    "indices": [0, 22, 57, 25, 4, 13, 53, 36],
    "experts": [0, 2, 0, 2, 0, 2, 1, 2],
    "corners": [[0, 2], [0, 5], [0, 0], [0, 5], [3, 1], [1, 2], [0, 0], [1, 5]],
    "t": [0.47162474913474844, 0.26379039391428083, 0.8275582756194121],
}


def test_slices_that_cannot_be_trained_on_are_refused():
    with pytest.raises(DataFormatError, match=r"8 x 9 pixels are smaller than image_size = 16; .* at most 8"):
        visits([(3, 2, 8, 9)], image_size=16)
    with pytest.raises(DataFormatError, match="no training slices"):
        visits([])
    with pytest.raises(DataFormatError, match="no training slices"):
        visits([(0, 2, 8, 8)])
    with pytest.raises(DataFormatError, match="without masks"):
        visits([(3, 0, 8, 8)])
