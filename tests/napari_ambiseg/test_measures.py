"""The numbers of a case: closed forms on squares, and the metrics' own functions on random masks."""

import numpy as np
import pytest

from napari_ambiseg.measures import ExpertMeasures, SampleMeasures
from training.metrics import ged_terms
from training.records import AnnotatedSlice


def case(masks, spacing=None):
    return AnnotatedSlice(np.zeros(masks.shape[1:], np.float32), masks, "p", "k", spacing)


def squares(*widths, side=8):
    """Masks of width x width pixels in one corner."""
    masks = np.zeros((len(widths), side, side), bool)
    for mask, width in zip(masks, widths, strict=True):
        mask[:width, :width] = True
    return masks


def test_experts_are_measured_without_a_model():
    """Areas 4, 4, 16 and none: distances 0, 3/4 and 1."""
    measures = ExpertMeasures.of(case(squares(2, 2, 4, 0)))
    assert (measures.n_found, measures.n_experts, measures.unit) == (3, 4, "px")
    assert measures.areas.tolist() == [4, 4, 16, 0]
    assert measures.distances[0].tolist() == [0, 0, 0.75, 1]
    # Ordered pairs, self-pairs in: 2 of distance 0, 4 of 3/4, 6 of 1, and 4 of each with itself.
    assert measures.disagreement == pytest.approx((4 * 0.75 + 6) / 16)


def test_areas_are_square_millimetres_where_the_spacing_is_known():
    annotated = case(squares(2, 4), spacing=(0.5, 0.8))
    experts, samples = ExpertMeasures.of(annotated), SampleMeasures.of(squares(3, 0), annotated)
    assert experts.unit == "mm²"
    assert experts.areas.tolist() == pytest.approx([1.6, 6.4])
    assert samples.areas.tolist() == pytest.approx([3.6, 0])


def test_samples_score_as_the_metrics_say():
    masks = np.random.default_rng(0).random((9, 6, 6)) > 0.7
    masks[:2] = False
    measures = SampleMeasures.of(masks[:5], case(masks[5:]))
    v, u = (ged_terms(masks[:5], masks[5:], estimator) for estimator in ("V", "U"))
    assert (measures.n, measures.n_empty) == (5, 2)
    assert (measures.ged_v, measures.ged_u) == pytest.approx((v.value, u.value))
    assert 2 * measures.cross - measures.within_samples - measures.within_experts == pytest.approx(measures.ged_v)


def test_a_single_sample_has_no_u_estimate():
    assert np.isnan(SampleMeasures.of(squares(2), case(squares(2, 3))).ged_u)
