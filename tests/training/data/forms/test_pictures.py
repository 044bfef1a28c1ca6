"""One picture: what each kind gives, and everything that is refused before or while it is decoded."""

import io
import os
import random
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from training.data.forms._pictures import is_eight_bit, read_image, read_mask
from training.data.forms.interface import UnusableError

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (5, 7), np.uint8)
MASK = GREY > 128


def saved(path, array, **how):
    Image.fromarray(array).save(path, **how)
    return path


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, rows, depth=8, colour=0, extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_lossless_pictures_come_back_to_the_bit(tmp_path, suffix, dtype):
    array = (RNG.random((4, 6)) * 200 - (100 if dtype in (np.int16, np.float32) else 0)).astype(dtype)
    path = tmp_path / f"a.{suffix}"
    if suffix == "png" and dtype in (np.int16, np.float32):
        pytest.skip("PNG has neither negative nor float values")
    if suffix == "npy":
        np.save(path, array)
    elif suffix == "tif" and dtype == np.int16:
        Image.fromarray(array.astype(np.int32)).save(path)  # Pillow writes no int16
    else:
        saved(path, array)
    found = read_image(path)
    assert found.dtype == dtype
    assert np.array_equal(found, array)
    assert is_eight_bit(path) == (dtype == np.uint8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_npy_of_either_byte_and_memory_order_is_the_same(tmp_path, order, layout):
    array = np.asarray(RNG.integers(-2000, 3000, (3, 8)), dtype=f"{order}i2", order=layout)
    np.save(tmp_path / "a.npy", array)
    found = read_image(tmp_path / "a.npy")
    assert found.dtype == np.int16
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    assert np.array_equal(found, array)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.int64, (-5, 7), np.int16),
        (np.int64, (0, 40_000), np.uint16),
        (np.int8, (-5, 7), np.int16),
        (np.float64, (0.25, 0.5), np.float32),
        (np.float16, (0.25, 0.5), np.float32),
    ],
)
def test_wider_numbers_than_needed_are_narrowed_exactly(tmp_path, dtype, values, expected):
    np.save(tmp_path / "a.npy", np.array([values], dtype))
    found = read_image(tmp_path / "a.npy")
    assert found.dtype == expected
    assert found.tolist() == [list(values)]


def test_big_endian_sixteen_bit_tiff_is_turned_to_native_order(tmp_path):
    array = RNG.integers(0, 65_536, (4, 6)).astype(np.uint16)
    picture = Image.frombytes("I;16B", (6, 4), array.astype(">u2").tobytes())
    picture.save(tmp_path / "a.tif")
    found = read_image(tmp_path / "a.tif")
    assert found.dtype == np.uint16
    assert found.dtype.isnative
    assert np.array_equal(found, array)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_stored_as_colour_is_grey(tmp_path, mode):
    Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), GREY)
    assert is_eight_bit(tmp_path / "a.png")


def test_a_grey_jpeg_is_what_pillow_decodes(tmp_path):
    for mode in ("L", "RGB"):
        Image.fromarray(GREY).convert(mode).save(tmp_path / "a.jpg")
        expected = np.asarray(Image.open(tmp_path / "a.jpg").convert("L"))
        assert np.array_equal(read_image(tmp_path / "a.jpg"), expected)


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_masks_of_zeros_and_ones_or_255_are_masks(tmp_path, white, suffix, dtype):
    path = tmp_path / f"a.{suffix}"
    array = (MASK * white).astype(dtype)
    np.save(path, array) if suffix == "npy" else saved(path, array)
    mask, lossy = read_mask(path)
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, MASK)
    assert not lossy


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float16, np.float32, np.float64, ">f4"])
def test_masks_of_any_number_type_are_masks(tmp_path, dtype):
    np.save(tmp_path / "a.npy", MASK.astype(dtype))
    mask, _ = read_mask(tmp_path / "a.npy")
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, MASK)


def test_a_one_bit_png_is_a_mask_and_no_image(tmp_path):
    saved(tmp_path / "a.png", MASK)
    assert np.array_equal(read_mask(tmp_path / "a.png")[0], MASK)
    with pytest.raises(UnusableError, match="black and white"):
        read_image(tmp_path / "a.png")


def test_empty_and_full_masks_are_masks(tmp_path):
    for value in (0, 1, 255):
        saved(tmp_path / "a.png", np.full((3, 4), value, np.uint8))
        assert np.array_equal(read_mask(tmp_path / "a.png")[0], np.full((3, 4), value > 0))


@pytest.mark.parametrize("values", [(0, 1, 255), (0, 2), (0, 128), (1, 255), (254, 254)])
def test_a_mask_of_other_values_is_refused(tmp_path, values):
    saved(tmp_path / "a.png", np.array([values], np.uint8))
    with pytest.raises(UnusableError, match="values other than 0 and 1, or 0 and 255"):
        read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("values", [(0, -1), (0, 1, -1), (0, 0.5), (0, np.nan), (1, np.nan), (0, np.inf), (-1, -1)])
def test_a_mask_of_other_numbers_is_refused(tmp_path, values):
    np.save(tmp_path / "a.npy", np.array([values], np.float32))
    with pytest.raises(UnusableError, match="values other than"):
        read_mask(tmp_path / "a.npy")


def test_a_mask_from_jpeg_is_cut_above_127(tmp_path):
    ramp = np.repeat(np.arange(256, dtype=np.uint8), 64).reshape(256, 64)
    saved(tmp_path / "a.jpg", ramp, quality=80)
    decoded = np.asarray(Image.open(tmp_path / "a.jpg"))
    mask, lossy = read_mask(tmp_path / "a.jpg")
    assert lossy
    assert {126, 127, 128} <= set(decoded.flat)
    assert [[value >= 128 for value in row] for row in decoded.tolist()] == mask.tolist()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: Image.fromarray(np.dstack([GREY, GREY, GREY ^ 1])).save(p, "PNG"), "in colour"),
        (lambda p: Image.fromarray(np.dstack([GREY, GREY, GREY, GREY])).save(p, "PNG"), "partly transparent"),
        (lambda p: Image.fromarray(GREY).convert("P").save(p, "PNG"), "colour type P"),
        (lambda p: Image.fromarray(GREY).convert("CMYK").save(p, "JPEG"), "colour type CMYK"),
        (lambda p: Image.fromarray(GREY).save(p, "BMP"), "no PNG, JPEG, TIFF or NPY"),
        (lambda p: Image.fromarray(GREY).save(p, "GIF"), "no PNG, JPEG, TIFF or NPY"),
        (lambda p: p.write_bytes(b""), "no PNG, JPEG, TIFF or NPY"),
        (lambda p: p.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "no PNG, JPEG, TIFF or NPY"),
        (lambda p: p.mkdir(), "cannot be opened"),
        (lambda p: p.symlink_to(p.name), "cannot be opened"),
        (lambda p: Image.new("L", (4097, 1)).save(p, "PNG"), "larger than 4096 x 4096"),
        (lambda p: Image.new("1", (1, 4097)).save(p, "TIFF"), "larger than 4096 x 4096"),
        (lambda p: p.write_bytes(png(60_000, 60_000, b"")), "larger than 4096 x 4096"),
        (lambda p: p.write_bytes(png(2**31 - 1, 2**31 - 1, b"")), "larger than 4096 x 4096"),
        (lambda p: p.write_bytes(png(0, 5, b"")), "has no pixels"),
        (lambda p: p.write_bytes(png(2, 1, b"\0\1\2")[:-1]), "damaged"),
        (lambda p: p.write_bytes(png(2, 1, b"\7\1\2")), "damaged"),  # there is no filter 7
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), "damaged"),
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b"")), "damaged"),
        (
            lambda p: Image.fromarray(GREY).save(p, "PNG", save_all=True, append_images=[Image.fromarray(GREY ^ 9)]),
            "more than one frame",
        ),
        (
            lambda p: Image.fromarray(GREY).save(p, "TIFF", save_all=True, append_images=[Image.fromarray(GREY)]),
            "more than one frame",
        ),
    ],
)
def test_what_is_no_single_grey_picture_is_refused_with_its_reason(tmp_path, make, reason):
    path = tmp_path / "a.png"
    make(path)
    for read in (read_image, read_mask):
        with pytest.raises(UnusableError, match=reason) as caught:
            read(path)
        assert str(tmp_path) not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert is_eight_bit(path) in (True, False)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 3, 3), np.uint8), "3 dimensions"),
        (np.zeros(3, np.uint8), "1 dimensions"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((2, 2), complex), "type"),
        (np.zeros((2, 2), "S3"), "type"),
        (np.zeros((2, 2), "M8[s]"), "type"),
        (np.zeros((2, 2), [("a", "u1")]), "type"),
        (np.array([[0.5, np.nan]]), "NaN or infinite"),
        (np.array([[0.5, np.inf]]), "NaN or infinite"),
        (np.array([[0.5, 1e300]]), "too large for float32"),
        (np.array([[-1, 40_000]]), "more than 16 bits"),
        (np.array([[0, 2**63]], np.uint64), "more than 16 bits"),
    ],
)
def test_arrays_that_are_no_grey_image_are_refused(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UnusableError, match=reason):
        read_image(tmp_path / "a.npy")


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_an_npy_of_objects_runs_nothing(tmp_path):
    array = np.empty((1, 1), object)
    array[0, 0] = Canary(str(tmp_path / "canary"))
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    for read in (read_image, read_mask):
        with pytest.raises(UnusableError, match="type"):
            read(tmp_path / "a.npy")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (4096, 4096), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (True, 2), }",
        b"{'descr': '|V2000000000', 'fortran_order': False, 'shape': (1, 1), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': '(1, 1)', }",
        b"{'descr': '<q9', 'fortran_order': False, 'shape': (1, 1), }",
        b"{'descr': __import__('os'), 'fortran_order': False, 'shape': (1, 1), }",
        b"(" * 9000,
        b"\xff\x00",
        b"",
    ],
)
def test_npy_headers_that_lie_are_refused_before_anything_is_allocated(tmp_path, header):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64)
    assert not is_eight_bit(path)
    tracemalloc.start()
    try:
        for read in (read_image, read_mask):
            with pytest.raises(UnusableError):
                read(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_a_png_with_a_text_bomb_is_refused(tmp_path):
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50 * 2**20)))
    (tmp_path / "a.png").write_bytes(png(2, 1, b"\0\1\2", extra=bomb))
    with pytest.raises(UnusableError, match="damaged"):
        read_image(tmp_path / "a.png")
    info = PngInfo()
    info.add_text("Comment", "harmless")
    saved(tmp_path / "b.png", GREY, pnginfo=info)
    assert np.array_equal(read_image(tmp_path / "b.png"), GREY)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    saved(path, GREY)
    os.truncate(path, 300 * 2**20)  # sparse: takes no room on the disk
    with pytest.raises(UnusableError, match="more than 256 MiB"):
        read_image(path)


def encoded(kind):
    array = RNG.integers(0, 256, (24, 24), np.uint8)
    stream = io.BytesIO()
    np.save(stream, array) if kind == "NPY" else Image.fromarray(array).save(stream, kind)
    return array, stream.getvalue()


def with_checksums(content):
    """A PNG whose chunks have the checksums of what is in them, as far as they can be told apart."""
    sealed, position = bytearray(content), 8
    while position + 12 <= len(sealed):
        end = position + 8 + struct.unpack_from(">I", sealed, position)[0]
        if end + 4 > len(sealed):
            break
        struct.pack_into(">I", sealed, end, zlib.crc32(sealed[position + 4 : end]))
        position = end + 4
    return bytes(sealed)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "NPY"])
def test_every_truncation_is_refused_or_harmless(tmp_path, kind):
    _, content = encoded(kind)
    path = tmp_path / "a"
    path.write_bytes(content)
    whole = read_image(path)
    for percent in range(0, 100, 2):
        path.write_bytes(content[: len(content) * percent // 100])
        try:
            found = read_image(path)
        except UnusableError:
            continue
        assert kind in ("JPEG", "TIFF")  # which may end in what no pixel depends on
        assert np.array_equal(found, whole)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "NPY"])
def test_mutated_pictures_never_raise_anything_but_their_reason(tmp_path, kind):
    array, content = encoded(kind)
    path, generator = tmp_path / "a", random.Random(11)  # noqa: S311
    verdicts = {"read": 0, "refused": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(200):
            mutated = bytearray(content)
            for _ in range(generator.choice((1, 1, 4, 20))):
                mutated[generator.randrange(min(len(mutated), generator.choice((40, 400, 10**9))))] ^= (
                    1 << generator.randrange(8)
                )
            sealed = kind == "PNG" and generator.random() < 0.5
            path.write_bytes(with_checksums(mutated) if sealed else mutated)
            is_eight_bit(path)
            for read in (read_image, read_mask):
                try:
                    found = read(path)
                except UnusableError:
                    verdicts["refused"] += 1
                    continue
                verdicts["read"] += 1
                if kind == "PNG" and read is read_image and not sealed:
                    assert np.array_equal(found, array)
    assert min(verdicts.values()) > 0, verdicts


def test_no_single_flipped_bit_of_a_png_goes_unnoticed(tmp_path):
    path = saved(tmp_path / "a.png", GREY)
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(UnusableError):
            read_image(path)
