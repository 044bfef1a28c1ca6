"""Files are the old one or the new one, whole."""

import pytest

from training.atomic import replacing, write_bytes, writing
from training.errors import ConfigError


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def write_half():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_not_there_before_the_end(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists()
    assert path.exists()


def test_a_place_that_cannot_be_written_is_told_in_one_line_with_the_remedy(tmp_path):
    path = tmp_path / "no" / "file"
    with pytest.raises(ConfigError) as told, writing(path):
        write_bytes(path, b"new")
    assert str(told.value) == f"cannot write {path}: No such file or directory; choose another place"


def test_other_errors_are_not_called_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "file"):
        1 / 0  # noqa: B018
