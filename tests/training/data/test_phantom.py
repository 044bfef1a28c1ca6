"""The phantom's promises: one name one case, an exact marginal, and LIDC-IDRI's disagreement."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from training.data.phantom import PANEL_SIZE, SLICES_PER_PATIENT, phantom_case
from training.errors import ConfigError

# LIDC-IDRI, 15,486 slices that at least one of four experts marked.
LIDC_SHARES = np.array([0.317, 0.194, 0.183, 0.306])  # of slices seen by 1, 2, 3, 4 experts
LIDC_DISTANCES = np.array([0.500, 0.737, 0.693, 0.316])  # mean 1 - IoU of two experts, by the same
LIDC_DISTANCE = 0.525
LIDC_GED_OF_EMPTY = 0.845


def distances(a, b):
    """1 - IoU of each mask of a (n, H, W) with each of b (m, H, W); two empty masks agree."""
    a, b = (m.reshape(len(m), -1).astype(np.float32) for m in (a, b))
    overlap = a @ b.T
    union = a.sum(1)[:, None] + b.sum(1)[None] - overlap
    return np.where(union > 0, 1 - overlap / np.maximum(union, 1), 0.0)


def panel_distance(masks):
    """Mean 1 - IoU over the pairs of different experts."""
    return distances(masks, masks)[~np.eye(len(masks), dtype=bool)].mean()


@pytest.fixture(scope="module")
def cases():
    return [phantom_case(index, seed=20) for index in range(2000)]


@pytest.fixture(scope="module")
def n_found(cases):
    return np.array([case.slice.n_found for case in cases])


def test_a_case_depends_on_its_name_alone():
    first = phantom_case(5, seed=3)
    phantom_case(6, seed=3)
    again = phantom_case(5, seed=3)
    np.testing.assert_array_equal(first.slice.image, again.slice.image)
    np.testing.assert_array_equal(first.slice.masks, again.slice.masks)
    assert (first.slice.key, first.presence) == (again.slice.key, again.presence)


@pytest.mark.parametrize(
    ("index", "presence", "areas", "brightness"),
    [
        (0, 0.765111, [1042, 0, 943, 950], 0.2116),
        (1, 0.609279, [0, 14, 0, 0], 0.1326),
        (2, 0.827789, [160, 84, 67, 235], 0.1296),
    ],
)
def test_cases_stay_what_the_shipped_model_was_trained_on(index, presence, areas, brightness):
    case = phantom_case(index, seed=1)
    assert case.presence == pytest.approx(presence, abs=1e-5)
    assert np.abs(case.slice.masks.sum(axis=(1, 2)) - areas).max() <= 1  # a pixel on the very border may flip
    assert case.slice.image.mean() == pytest.approx(brightness, abs=1e-3)


@pytest.mark.parametrize("other", [(6, 3, 128), (5, 4, 128), (5, 3, 120)])
def test_each_part_of_the_name_makes_another_case(other):
    image, another = phantom_case(5, 3).slice.image, phantom_case(*other).slice.image
    side = min(len(image), len(another))
    assert not np.array_equal(image[:side, :side], another[:side, :side])


def test_the_image_survives_storage_in_eight_bits():
    image = phantom_case(0, seed=1).slice.image
    stored = np.rint(image * 255).astype(np.uint8)
    assert (stored.min(), stored.max()) == (0, 255)
    np.testing.assert_array_equal(stored.astype(np.float32) / np.float32(255), image)


@pytest.mark.parametrize("size", [32, 40, 64, 256])
def test_other_sizes_hold_a_panel_around_their_middle(size):
    for index in range(20):
        case = phantom_case(index, seed=2, size=size)
        assert case.slice.masks.shape == (PANEL_SIZE, size, size)
        centre = np.argwhere(case.slice.masks.any(0)).mean(0)
        assert np.abs(centre - size / 2).max() < 0.25 * size


def test_a_patient_is_a_few_neighbouring_slices_of_one_scan():
    slices = [phantom_case(index, seed=4).slice for index in range(2 * SLICES_PER_PATIENT)]
    patients = [s.patient for s in slices]
    assert len(set(patients)) == 2
    assert len(set(patients[:SLICES_PER_PATIENT])) == 1
    assert len({s.spacing_mm for s in slices[:SLICES_PER_PATIENT]}) == 1
    assert len({s.key for s in slices}) == len(slices)


def test_drawing_more_experts_keeps_the_first_ones():
    case = phantom_case(8, seed=1)
    np.testing.assert_array_equal(case.draw_experts(40, seed=2)[:7], case.draw_experts(7, seed=2))
    assert not np.array_equal(case.draw_experts(40, seed=2), case.draw_experts(40, seed=3))


def test_presence_is_the_marginal_of_panels_that_are_not_all_empty():
    """Brute force: draw panels of independent experts with p, throw the empty ones away, count."""
    case = min((phantom_case(i, seed=1, size=32) for i in range(40)), key=lambda c: abs(c.presence - 0.4))
    roots = np.roots([-1, 4, -6, 4 - 1 / case.presence])  # q = p / (4p - 6p^2 + 4p^3 - p^4), over p
    p = float(roots[(abs(roots.imag) < 1e-9) & (roots.real > 0) & (roots.real < 1)].real[0])
    # draw_experts with p in place of q draws the experts as they are before any rejection.
    untold = dataclasses.replace(case, presence=p).draw_experts(40_000, seed=5)
    panels = untold.any(axis=(1, 2)).reshape(-1, PANEL_SIZE)
    accepted = panels[panels.any(1)]
    drawn = case.draw_experts(10_000, seed=6).any(axis=(1, 2))
    assert accepted.mean() == pytest.approx(case.presence, abs=0.02)
    assert drawn.mean() == pytest.approx(case.presence, abs=0.02)


def test_panels_and_drawn_experts_share_one_distribution(cases):
    """Over many cases the panel's experts see as often, and draw as large, as the marginal says."""
    seen = np.array([case.slice.masks.any(axis=(1, 2)).mean() for case in cases])
    presence = np.array([case.presence for case in cases])
    assert seen.mean() == pytest.approx(presence.mean(), abs=0.015)
    for low, high in [(0.25, 0.4), (0.4, 0.7), (0.7, 0.95), (0.95, 1.0)]:
        chosen = (presence >= low) & (presence <= high)
        assert chosen.sum() > 100
        assert seen[chosen].mean() == pytest.approx(presence[chosen].mean(), abs=0.05)
    sure = [case for case in cases if case.presence > 0.9][:200]
    areas = [case.slice.masks.sum() / PANEL_SIZE for case in sure]
    drawn = [case.draw_experts(50, seed=1).sum() / 50 for case in sure]
    assert np.mean(areas) == pytest.approx(np.mean(drawn), rel=0.06)


def test_experts_of_one_slot_are_no_better_than_those_of_another(cases):
    found = np.array([case.slice.masks.any(axis=(1, 2)) for case in cases])
    assert np.ptp(found.mean(0)) < 0.05


def test_no_panel_is_empty_and_presence_is_at_least_one_in_four(cases, n_found):
    assert n_found.min() >= 1
    assert all(1 / PANEL_SIZE <= case.presence <= 1 for case in cases)


def test_as_many_experts_find_the_nodule_as_in_lidc(n_found):
    shares = np.bincount(n_found, minlength=5)[1:] / len(n_found)
    assert np.abs(shares - LIDC_SHARES).max() < 0.05


def test_experts_are_as_far_apart_as_in_lidc(cases, n_found):
    apart = np.array([panel_distance(case.slice.masks) for case in cases])
    assert apart.mean() == pytest.approx(LIDC_DISTANCE, abs=0.05)
    by_count = [apart[n_found == k].mean() for k in range(1, PANEL_SIZE + 1)]
    np.testing.assert_allclose(by_count, LIDC_DISTANCES, atol=0.05)


def test_predicting_nothing_scores_as_in_lidc(cases):
    geds = []
    for case in cases:
        masks = case.slice.masks
        nothing = np.zeros_like(masks[:1])
        geds.append(2 * distances(nothing, masks).mean() - distances(masks, masks).mean())
    assert np.mean(geds) == pytest.approx(LIDC_GED_OF_EMPTY, abs=0.05)


def test_part_solid_nodules_are_outlined_in_two_ways():
    case = next(c for c in (phantom_case(i, seed=6) for i in range(200)) if c.nodule.core and c.presence > 0.8)
    masks = case.draw_experts(600, seed=1)
    radius = np.sqrt(masks[masks.any(axis=(1, 2))].sum(axis=(1, 2)) / np.pi) / case.nodule.radius
    middle = (1 + case.nodule.core) / 2
    assert (radius < middle).mean() == pytest.approx(0.5, abs=0.12)


def test_what_experts_mostly_find_is_brighter_than_its_surroundings(cases):
    brighter = []
    for case in cases[:400]:
        if case.presence > 0.7:
            image, mask = case.slice.image, case.slice.masks.any(0)
            around = binary_dilation(mask, iterations=4) & ~binary_dilation(mask, iterations=1)
            brighter.append(image[mask].mean() > np.median(image[around]))
    assert len(brighter) > 100
    assert np.mean(brighter) > 0.97


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1, 0, 128), "index -1"),
        ((0, -3, 128), "seed -3"),
        ((0, 0, 24), "got 24"),
        ((0, 0, 100), "multiple of 8"),
    ],
)
def test_impossible_names_say_what_is_wrong(arguments, words):
    with pytest.raises(ConfigError, match=words):
        phantom_case(*arguments)


@pytest.mark.parametrize(("n", "seed"), [(0, 1), (1, -1)])
def test_experts_cannot_be_drawn_from_impossible_numbers(n, seed):
    with pytest.raises(ConfigError, match=f"got n {n} and seed {seed}"):
        phantom_case(0, seed=1).draw_experts(n, seed)
