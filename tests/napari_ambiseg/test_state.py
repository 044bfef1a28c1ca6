"""State is plain data that announces its changes, and only changes."""

from psygnal.testing import assert_emitted_once_with, assert_not_emitted

from napari_ambiseg.state import PREDICTED, Playback, Sampling, ViewerState


def test_playback_wraps_to_the_first_frame_that_is_there():
    playback = Playback(times=(1.0, 0.5, 0.0), n_frames=11, frame=2)
    with assert_emitted_once_with(playback.events.frame, 0, 2):
        playback.advance()


def test_playback_goes_to_the_next_frame():
    playback = Playback(times=(1.0, 0.5, 0.0), n_frames=3, frame=0)
    playback.advance()
    assert playback.frame == 1


def test_playback_without_frames_stays_where_it_is():
    playback = Playback()
    with assert_not_emitted(playback.events.frame):
        playback.advance()


def test_setting_a_field_to_its_own_value_says_nothing():
    """Which is what keeps two bound sides from calling each other for ever."""
    sampling = Sampling(seed=7)
    with assert_not_emitted(sampling.events.seed):
        sampling.seed = 7


def test_each_viewer_has_its_own_parts():
    one, other = ViewerState(), ViewerState()
    one.sampling.n_samples = 3
    one.playback.quantity = "x_t"
    assert (other.sampling.n_samples, other.playback.quantity) == (16, PREDICTED)
