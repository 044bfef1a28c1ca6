"""The numbers of a case: closed forms on squares, and the metrics' own functions on random masks."""

import numpy as np
import pytest

from napari_ambiseg.measures import SCORES, ExpertMeasures, SampleMeasures
from training.metrics import ged_interval, hungarian_iou, pairwise_distance, tally
from training.metrics.glossary import NAMES
from training.records import AnnotatedSlice


def case(masks, spacing=None):
    return AnnotatedSlice(np.zeros(masks.shape[1:], np.float32), masks, "p", "k", spacing)


def squares(*widths, side=8):
    """Masks of width x width pixels in one corner."""
    masks = np.zeros((len(widths), side, side), bool)
    for mask, width in zip(masks, widths, strict=True):
        mask[:width, :width] = True
    return masks


@pytest.fixture
def random_masks():
    masks = np.random.default_rng(0).random((9, 6, 6)) > 0.7
    masks[:2] = False
    return masks


def test_experts_are_measured_without_a_model():
    """Areas 4, 4, 16 and none: distances 0, 3/4 and 1."""
    measures = ExpertMeasures.of(case(squares(2, 2, 4, 0)))
    assert (measures.n_found, measures.n_experts, measures.unit, measures.length_unit) == (3, 4, "px", "px")
    assert measures.areas.tolist() == [4, 4, 16, 0]
    assert measures.distances[0].tolist() == [0, 0, 0.75, 1]
    # Ordered pairs, self-pairs in: 2 of distance 0, 4 of 3/4, 6 of 1, and 4 of each with itself.
    assert measures.disagreement == pytest.approx((4 * 0.75 + 6) / 16)
    assert measures.diversity == pytest.approx((4 * 0.75 + 6) / 12)


def test_sizes_are_in_millimetres_where_the_spacing_is_known_along_each_axis_its_own():
    annotated = case(squares(2, 4, 0), spacing=(0.5, 0.8))
    experts, samples = ExpertMeasures.of(annotated), SampleMeasures.of(squares(3, 0), annotated)
    assert (experts.unit, experts.length_unit) == ("mm²", "mm")
    assert experts.areas.tolist() == pytest.approx([1.6, 6.4, 0])
    assert samples.areas.tolist() == pytest.approx([3.6, 0])
    # From the middle of a left edge to that of a right one, one row further: 2 and 4 pixels, 1 and 3 rows.
    assert experts.longest.tolist() == pytest.approx([np.hypot(0.5, 1.6), np.hypot(1.5, 3.2), 0])
    assert experts.equivalent.tolist() == pytest.approx([2 * np.sqrt(1.6 / np.pi), 2 * np.sqrt(6.4 / np.pi), 0])


def test_samples_score_exactly_as_a_table_says(random_masks):
    samples, experts = random_masks[:5], random_masks[5:]
    measures = SampleMeasures.of(samples, case(experts))
    scores = dict(zip(NAMES, tally(samples, experts).scores(), strict=True))
    assert (measures.n, measures.n_empty, measures.n_experts) == (5, 2, 4)
    assert dict(measures.scores) == {name: scores[name] for name in SCORES}
    assert measures.hm_iou == scores["hm_iou"] == hungarian_iou(samples, experts)
    assert 2 * measures.cross - measures.within_samples - measures.within_experts == pytest.approx(measures.ged_v)
    assert measures.ged_u == scores["ged_u"]


def test_the_distances_are_those_of_experts_and_samples_in_one_set(random_masks):
    measures = SampleMeasures.of(random_masks[:5], case(random_masks[5:]))
    together = np.concatenate([random_masks[5:], random_masks[:5]])
    assert measures.distances == pytest.approx(pairwise_distance(together))


def test_ranges_are_the_metrics_own(random_masks):
    measures = SampleMeasures.of(random_masks[:5], case(random_masks[5:]))
    assert measures.ranges == {name: ged_interval(measures.pairs, name) for name in ("V", "U")}
    low, high = measures.ranges["V"]
    assert low < measures.ged_v < high


def test_the_floor_is_the_experts_diversity_over_k_and_over_n():
    measures = SampleMeasures.of(squares(2, 2, 2, 2, 2), case(squares(2, 0)))  # D = 1
    assert measures.floors == {"V": pytest.approx(1 / 2 + 1 / 5), "U": pytest.approx(1 / 2)}
    assert np.isnan(SampleMeasures.of(squares(2), case(squares(2))).floors["U"])


def test_a_single_sample_has_neither_u_nor_a_range():
    measures = SampleMeasures.of(squares(2), case(squares(2, 3)))
    assert np.isnan(measures.ged_u)
    assert np.isnan(measures.ranges["V"]).all()


def test_samples_of_a_slice_that_nobody_annotated_have_areas_and_no_scores():
    measures = SampleMeasures.of(squares(2, 0, 3), case(squares(0)[:0]))
    assert (measures.n, measures.n_empty, measures.n_experts) == (3, 1, 0)
    assert measures.areas.tolist() == [4, 0, 9]
    assert measures.scores["empty_model"] == pytest.approx(1 / 3)
    assert np.isnan([measures.ged_v, measures.hm_iou, *measures.ranges["V"], measures.floors["U"]]).all()
    assert measures.distances.shape == (0, 0)
