"""Case by case, with segmenters whose scores are known beforehand."""

import math
import subprocess
import sys
from itertools import count, islice

import numpy as np
import pytest

from training.data.phantom import phantom_case
from training.errors import ConfigError, DataFormatError
from training.evaluation.cases import HUMAN_PLAN, Plan, Variant, evaluate_cases, score_block, score_experts
from training.evaluation.statistics import bootstrap_mean
from training.metrics import generalized_energy_distance, hungarian_iou
from training.metrics.glossary import NAMES
from training.postprocess import relative_area
from training.records import AnnotatedSlice, SampleSet
from training.rng import case_seed
from training.segmenters.experts import AlwaysEmpty, ExpertsOracle

SIDE = 12
RAW = Plan((4,), ())


def disc(radius, side=SIDE):
    rows, columns = np.mgrid[:side, :side] - side // 2
    return rows**2 + columns**2 < radius**2


def case(key, radii, patient="p", side=SIDE):
    masks = np.stack([disc(r, side) for r in radii])
    return AnnotatedSlice(np.zeros((side, side), np.float32), masks, patient, key)


CASES = [
    case("a", [0, 2, 3, 4], "p"),
    case("b", [0, 0, 0, 5], "p"),
    case("c", [2, 2, 2, 2], "q"),
    case("d", [1, 4], "r"),
]


class Noise:
    """Draws discs of random size; sample i depends on (seed, i) alone, and every call is written down."""

    name, provenance = "noise", {}

    def __init__(self):
        self.calls = []

    def given(self, case):
        return self

    def draw(self, image, n, seed):
        self.calls.append((n, seed))
        radii = [np.random.default_rng([seed, i]).integers(0, 6) for i in range(n)]
        return SampleSet(np.stack([disc(r, len(image)) for r in radii]), seed)


class Together(Noise):
    """Draws for several images at once."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def draw_many(self, images, n, seeds):
        self.batches.append(list(seeds))
        assert len({image.shape for image in images}) == 1
        return [self.draw(image, n, seed) for image, seed in zip(images, seeds, strict=True)]


class Fixed:
    """Draws the same masks for every image."""

    name, provenance = "fixed", {}

    def __init__(self, masks):
        self.masks = masks

    def given(self, case):
        return self

    def draw(self, image, n, seed):
        return SampleSet(self.masks[:n], seed)


def scored(segmenter, cases=CASES, plan=RAW, **how):
    return list(evaluate_cases(segmenter, enumerate(cases), plan, **how))


def named(row):
    return dict(zip(NAMES, row, strict=True))


def require_equal(one, other):
    assert [(c.index, c.key, c.patient, c.n_experts, c.n_found, c.seed) for c in one] == [
        (c.index, c.key, c.patient, c.n_experts, c.n_found, c.seed) for c in other
    ]
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        for mine, theirs in zip(a.votes, b.votes, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_plan_names_its_variants():
    plan = Plan((16, 4, 4), (0.5, 0.3), 7)
    assert plan == Plan((4, 16), (0.3, 0.5), 7)
    assert plan.variants == tuple(Variant(n, r) for n in (4, 16) for r in (None, 0.3, 0.5))
    assert [plan.key(v) for v in plan.variants[:3]] == ["raw", "postprocessed 0.3", "postprocessed 0.5"]
    assert [Plan().key(v) for v in Plan().variants] == ["raw", "postprocessed"] * 2
    assert plan.most == 16


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"samples": ()}, "one or more, each at least 1"),
        ({"samples": (0, 4)}, "at least 1 sample"),
        ({"samples": (-1,)}, "at least 1 sample"),
        ({"samples": (10**9,)}, "at most 100000"),
        ({"postprocess": (1.5,)}, r"relative area 1\.5 is impossible"),
        ({"postprocess": (math.nan,)}, "relative area nan is impossible"),
        ({"postprocess": (0.3, 0.3 + 1e-9)}, "differ by less"),
        ({"seed": -1}, "seed must be between 0"),
    ],
)
def test_an_impossible_plan_is_refused_at_birth(plan, says):
    with pytest.raises(ConfigError, match=says):
        Plan(**plan)


def test_each_case_is_drawn_once_and_scored_on_its_first_n_samples():
    noise, plan = Noise(), Plan((6, 3), ())
    rows = scored(noise, plan=plan)
    assert [n for n, _ in noise.calls] == [6] * len(CASES)
    for index, (row, annotated) in enumerate(zip(rows, CASES, strict=True)):
        assert (row.index, row.key, row.patient) == (index, annotated.key, annotated.patient)
        assert (row.n_experts, row.n_found) == (annotated.n_experts, annotated.n_found)
        for (n, r), scores in zip([(3, None), (6, None)], row.scores, strict=True):
            assert r is None
            alone = Noise().draw(annotated.image, n, row.seed).masks
            scores = named(scores)
            assert scores["ged_v"] == pytest.approx(generalized_energy_distance(alone, annotated.masks))
            assert scores["ged_u"] == pytest.approx(generalized_energy_distance(alone, annotated.masks, "U"))
            assert scores["hm_iou"] == pytest.approx(hungarian_iou(alone, annotated.masks))
            assert scores["empty_model"] == pytest.approx(np.mean([not mask.any() for mask in alone]))


def test_post_processing_sees_the_first_n_samples_and_never_the_experts():
    masks = np.stack([disc(1), disc(2), disc(3), disc(6)])  # areas 1, 9, 25 and far more
    annotated, plan = case("a", [1, 6]), Plan((2, 3, 4), (0.5,))
    (row,) = scored(Fixed(masks), [annotated], plan)
    empty = {}
    for variant, scores, votes in zip(plan.variants, row.scores, row.votes, strict=True):
        samples = masks[: variant.n] if variant.r is None else relative_area(masks[: variant.n], variant.r)
        expected = generalized_energy_distance(samples, annotated.masks)
        assert named(scores)["ged_v"] == pytest.approx(expected)
        assert named(scores)["empty_experts"] == 0
        empty[variant.n, plan.key(variant)] = named(scores)["empty_model"]
        by_hand = np.zeros((variant.n + 1, 3), np.int64)
        np.add.at(by_hand, (samples.sum(axis=0), annotated.masks.sum(axis=0)), 1)
        np.testing.assert_array_equal(votes, by_hand)
    assert [empty[n, "postprocessed"] for n in (2, 3, 4)] == pytest.approx([1 / 2, 2 / 3, 3 / 4])
    assert [empty[n, "raw"] for n in (2, 3, 4)] == [0, 0, 0]


def test_drawing_each_expert_once_is_perfect():
    annotated = CASES[0]
    (row,) = scored(Fixed(annotated.masks), [annotated])
    scores = named(row.scores[0])
    assert scores["ged_v"] == pytest.approx(0, abs=1e-12)
    assert scores["hm_iou"] == pytest.approx(1)
    assert scores["d_max"] == 1
    assert scores["diversity_model"] == scores["diversity_experts"]
    assert scores["empty_model"] == scores["empty_experts"] == 1 / 4


def test_predicting_nothing_scores_the_experts_share_of_empty_masks():
    for row, annotated in zip(scored(AlwaysEmpty()), CASES, strict=True):
        scores, empty = named(row.scores[0]), 1 - annotated.n_found / annotated.n_experts
        assert scores["dice"] == scores["iou"] == scores["d_max"] == scores["empty_experts"] == empty
        assert scores["diversity_model"] == 0
        assert scores["empty_model"] == 1
        within_experts = (annotated.n_experts - 1) / annotated.n_experts * scores["diversity_experts"]
        assert scores["ged_v"] == pytest.approx(2 * (1 - empty) - within_experts)


@pytest.fixture(scope="module")
def oracle():
    """Scores of the experts' oracle on phantoms of many patients, for n = 4 and 16."""
    phantoms = [phantom_case(5 * index, 11, 48).slice for index in range(400)]
    rows = scored(ExpertsOracle(), phantoms, Plan((4, 16), ()))
    values = np.array([row.scores for row in rows])
    return {(n, name): values[:, v, s] for v, n in enumerate((4, 16)) for s, name in enumerate(NAMES)}, [
        row.patient for row in rows
    ]


@pytest.mark.parametrize("n", [4, 16])
def test_on_phantoms_the_experts_oracle_scores_the_analytic_distance_over_n(oracle, n):
    """E[GED_V(n)] = E d(y, y') / n, self-pairs in, for n draws with replacement from the panel itself."""
    scores, patients = oracle
    analytic = scores[n, "ged_experts"] / n
    apart = bootstrap_mean(scores[n, "ged_v"] - analytic, patients, seed=0)
    assert apart.low < 0 < apart.high
    assert apart.high - apart.low < 0.3 * analytic.mean(), "a wide interval would hold anything"


@pytest.mark.parametrize("n", [4, 16])
def test_on_phantoms_the_experts_oracle_has_no_distance_without_the_bias(oracle, n):
    scores, patients = oracle
    unbiased = bootstrap_mean(scores[n, "ged_u"], patients, seed=0)
    assert unbiased.low < 0 < unbiased.high
    assert unbiased.high - unbiased.low < 0.1 * scores[n, "ged_experts"].mean()


def test_a_case_has_its_own_seed_which_stays_the_same_in_any_company():
    assert case_seed(0, "a") == 8281872861307171038
    seeds = {case_seed(seed, key) for seed in (0, 1, 10) for key in ("a", "b", "0:a")}
    assert len(seeds) == 9
    assert all(0 <= seed < 2**63 for seed in seeds)
    plan = Plan((4,), seed=5)
    (alone,) = evaluate_cases(Noise(), [(2, CASES[2])], plan)
    require_equal([scored(Noise(), plan=plan)[2]], [alone])
    assert alone.seed == case_seed(5, "c")


def test_cases_are_read_one_block_at_a_time():
    """Of an endless split."""
    read = []

    def endless():
        for index in count():
            read.append(index)
            yield index, case(str(index), [1, 2])

    rows = evaluate_cases(Noise(), endless(), RAW)
    assert read == []
    assert [row.key for row in islice(rows, 3)] == ["0", "1", "2"]
    assert len(read) <= 4


def test_which_cases_are_drawn_together_depends_on_their_places_alone():
    cases = [(index, case(str(index), [1, 2])) for index in range(10)]
    whole, part = Together(), Together()
    rows = list(evaluate_cases(whole, cases, RAW, together=4))
    rest = list(evaluate_cases(part, cases[4:], RAW, together=4))
    assert [len(batch) for batch in whole.batches] == [4, 4, 2]
    assert part.batches == whole.batches[1:]
    require_equal(rows[4:], rest)
    require_equal(rows, list(evaluate_cases(Noise(), cases, RAW)))


def test_cases_of_different_shapes_in_one_block_keep_their_order():
    mixed = [case("a", [1, 2]), case("b", [1, 2], side=16), case("c", [1, 3]), case("d", [2, 2, 2])]
    segmenter = Together()
    require_equal(scored(segmenter, mixed, together=4), scored(Noise(), mixed))
    assert sorted(map(len, segmenter.batches)) == [2]


def test_a_block_tells_how_long_drawing_and_scoring_took():
    block = score_block(Noise(), list(enumerate(CASES)), RAW)
    assert block.drawing > 0
    assert block.scoring > 0
    assert [row.key for row in block.cases] == ["a", "b", "c", "d"]


def test_a_single_sample_has_no_unbiased_ged():
    for row in scored(Noise(), plan=Plan((1,), ())):
        scores = named(row.scores[0])
        assert math.isnan(scores["ged_u"])
        assert math.isnan(scores["diversity_model"])
        assert not math.isnan(scores["ged_v"])


def test_the_human_row_is_each_expert_beside_the_others():
    block = score_experts(list(enumerate(CASES)))
    assert HUMAN_PLAN.variants == (Variant(1),)
    for row, annotated in zip(block.cases, CASES, strict=True):
        by_hand = []
        for j, expert in enumerate(annotated.masks):
            others = np.delete(annotated.masks, j, axis=0)
            by_hand.append(generalized_energy_distance(expert[None], others))
        scores = named(row.scores[0])
        assert scores["ged_v"] == pytest.approx(np.mean(by_hand))
        assert math.isnan(scores["ged_u"])
        assert row.votes[0].shape == (2, annotated.n_experts + 1)
        assert not row.votes[0].any()


def test_a_single_expert_has_no_human_row():
    block = score_experts([(0, case("alone", [3]))])
    assert np.isnan(block.cases[0].scores).all()


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        (np.ones((4, 3, 3), bool), r"case 'a': 4 masks of \(12, 12\) pixels were asked for, got \(4, 3, 3\)"),
        (np.ones((2, 12, 12), bool), r"case 'a': 4 masks of \(12, 12\) pixels were asked for, got \(2, 12, 12\)"),
        (np.ones((4, 12, 12), np.uint8), r"case 'a': sample set: masks must be a bool array .* uint8"),
        (np.full((4, 12, 12), 0.5), r"case 'a': sample set: masks must be a bool array .* threshold probabilities"),
        (np.ones((0, 12, 12), bool), r"case 'a': sample set: masks must be a bool array .* got bool \(0, 12, 12\)"),
    ],
)
def test_drawn_masks_that_do_not_fit_are_an_error_that_names_the_case(masks, says):
    with pytest.raises(DataFormatError, match=says):
        scored(Fixed(masks))


def test_masks_that_were_drawn_together_and_are_too_few_name_the_case():
    class Forgets(Together):
        def draw_many(self, images, n, seeds):
            sets = super().draw_many(images, n, seeds)
            return [*sets[:-1], sets[-1].first(1)]

    with pytest.raises(DataFormatError, match="case 'c': 4 masks"):
        scored(Forgets(), CASES[:3], together=3)


def test_a_batch_that_is_refused_names_its_cases():
    class Refuses(Together):
        def draw_many(self, images, n, seeds):
            raise DataFormatError("no")

    with pytest.raises(DataFormatError, match="cases 'a' to 'c': no"):
        scored(Refuses(), CASES[:3], together=3)


def test_an_image_that_became_nan_names_the_case():
    image = np.zeros((SIDE, SIDE), np.float32)
    spoilt = AnnotatedSlice(image, CASES[0].masks, "p", "spoilt")
    image[3, 3] = np.nan  # the record holds a view
    for together in (1, 2):
        with pytest.raises(DataFormatError, match="case 'spoilt': the image has NaN"):
            scored(Together(), [CASES[0], spoilt], together=together)
    with pytest.raises(DataFormatError, match="case 'spoilt': the image has NaN"):
        score_experts([(0, spoilt)])


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        (np.ones((0, 12, 12), bool), "experts: masks must be"),
        (np.ones((2, 12, 12), np.uint8), "experts: masks must be"),
        (np.ones((2, 6, 6), bool), "must show the same pixels"),
    ],
)
def test_experts_that_are_missing_or_do_not_fit_name_the_case(masks, says):
    class Slice:  # of a data set of one's own
        key, patient, image = "odd", "p", np.zeros((12, 12), np.float32)

    Slice.masks = masks
    with pytest.raises(DataFormatError, match=f"case 'odd'.*{says}"):
        scored(Noise(), [Slice])


def test_an_oracle_without_experts_names_the_case():
    class Forgetful(ExpertsOracle):
        def given(self, case):
            return ExpertsOracle()

    with pytest.raises(ConfigError, match="case 'a': the reference 'experts' draws from annotations"):
        scored(Forgetful())


def test_scoring_works_without_torch():
    code = (
        "import sys, training.evaluation.cases, training.evaluation.journal, training.evaluation.request\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.returncode == 0, done.stderr
