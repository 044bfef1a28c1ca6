"""The case table's numbers come a little at a time, and one bad case does not cost the others."""

import time

import numpy as np
import pytest

from napari_ambiseg.measures import ExpertMeasures
from napari_ambiseg.sample_data import DemoSet, PhantomCases
from napari_ambiseg.survey import CaseSummary, Survey
from training.errors import DataFormatError


class FaultyCases(PhantomCases):
    """The phantom cases, of which the second cannot be read."""

    def __getitem__(self, index):
        if index == 1:
            raise DataFormatError("slice 'synthetic 02': image has 3 NaN or infinite pixels")
        return super().__getitem__(index)


def test_the_numbers_are_those_of_the_case_itself():
    survey = Survey(cases := PhantomCases(5))
    survey.advance(60)
    assert survey.done
    rows = list(survey.rows())
    assert rows[4][:2] == ("synthetic 05", "phantom 2")
    for index, (_, _, summary) in enumerate(rows):
        alone = ExpertMeasures.of(cases[index])
        assert (summary.n_found, summary.n_experts) == (alone.n_found, alone.n_experts)
        assert summary.disagreement == alone.disagreement


def test_rows_that_are_not_known_yet_are_there_without_numbers():
    survey = Survey(PhantomCases(3))
    survey.summaries.append(CaseSummary(1, 4, 0.5))
    assert [(key, summary and summary.n_found) for key, _, summary in survey.rows()] == [
        ("synthetic 01", 1),
        ("synthetic 02", None),
        ("synthetic 03", None),
    ]


def test_a_case_that_cannot_be_read_says_why_in_its_row():
    survey = Survey(FaultyCases(3))
    survey.advance(60)
    first, second, third = survey.summaries
    assert second.fault.startswith("slice 'synthetic 02'")
    assert first.fault == third.fault == ""
    assert first.n_experts == third.n_experts == 4


def test_a_step_of_the_survey_keeps_to_its_time():
    """The window must not stall, however long the file: one step overruns by one case at most."""

    class Slow(PhantomCases):
        def __getitem__(self, index):
            time.sleep(0.01)
            return super().__getitem__(0)

    started = time.perf_counter()
    known = Survey(Slow(9000)).advance(0.02)
    assert 1 <= known <= 3
    assert time.perf_counter() - started < 1.0


def test_the_demo_set_is_a_pure_function_of_its_index():
    (cases,) = DemoSet().splits.values()
    assert len(cases.keys) == len(cases.patients) == len(cases)
    assert np.array_equal(cases[3].image, PhantomCases()[3].image)
    assert np.array_equal(cases[3].masks, PhantomCases()[3].masks)
    with pytest.raises(IndexError):
        cases[len(cases)]
