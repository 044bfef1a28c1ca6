"""Cases from layers of the user's own: the right pixels, experts and places, and one line for what is no case."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ambiseg.layer_case import LayerSet
from napari_ambiseg.layers.plane import SCAN
from napari_ambiseg.survey import Survey
from training.data.window import WINDOWS
from training.errors import DataFormatError

VOLUME = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)
SPACED = {"scale": (3.0, 0.7, 0.8), "translate": (10.0, 5.0, -6.0), "units": ("mm",) * 3}
COMPLETE = {"scale": (3.0, 0.7, 0.8), "rotate": (4, 3, 2), "shear": (0.05, 0.0, 0.02)}
TURNED = {"scale": (3.0, 0.7, 0.8), "affine": [[1, 0, 0, 4], [0, 0.98, -0.2, 0.1], [0, 0.2, 0.98, -0.2], [0, 0, 0, 1]]}


@pytest.fixture
def viewer():
    return ViewerModel()


def of(viewer, *layers):
    return LayerSet.of(layers or list(viewer.layers), viewer.dims)


def only(cases, index=0):
    return cases.splits["slices"][index]


def test_a_plain_image_is_one_slice_as_it_is_shown(viewer):
    layer = viewer.add_image(np.arange(12.0).reshape(3, 4), contrast_limits=(2, 6), name="plain")
    cases = of(viewer)
    case = only(cases)
    assert np.array_equal(case.image, np.clip((np.arange(12.0).reshape(3, 4) - 2) / 4, 0, 1).astype(np.float32))
    assert (case.n_experts, case.masks.shape) == (0, (0, 3, 4))
    assert (case.key, case.patient, case.spacing_mm, case.hounsfield) == ("plain", "plain", None, None)
    assert cases.windows == ("as shown", "slice")
    assert layer.metadata == {}


def test_a_volume_is_its_slices_and_begins_where_the_slider_stands(viewer):
    viewer.add_image(VOLUME, name="chest", **SPACED)
    viewer.dims.set_current_step(0, 3)
    cases = of(viewer)
    assert cases.plane.start == 3
    assert cases.splits["slices"].keys == tuple(f"chest[{z}]" for z in range(5))
    for z in range(5):
        assert np.array_equal(cases.plane.read(z), VOLUME[z])
    assert only(cases, 1).spacing_mm == pytest.approx((0.7, 0.8))


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari's own, on a volume that is askew
@pytest.mark.parametrize("options", [SPACED, COMPLETE, TURNED], ids=["spaced", "sheared", "affine"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (0, 2, 1)])
def test_every_pixel_of_every_slice_lies_where_it_lies_in_the_layer(viewer, options, order):
    layer = viewer.add_image(VOLUME, **options)
    viewer.dims.order = order
    cases = of(viewer)
    through, rows, columns = order
    for number in range(cases.plane.count):
        place, values = cases.place(number), cases.plane.read(number)
        for row, column in np.ndindex(values.shape):
            index = np.zeros(3, int)
            index[[through, rows, columns]] = number, row, column
            assert values[row, column] == VOLUME[tuple(index)]
            assert place.world((row, column)) == pytest.approx(tuple(layer.data_to_world(index)))


def test_units_of_length_become_millimetres(viewer):
    for unit, factor in (("cm", 10), ("um", 1e-3), ("mm", 1)):
        viewer.layers.clear()
        viewer.add_image(VOLUME, scale=(1, 2, 3), units=(unit,) * 3)
        assert only(of(viewer)).spacing_mm == pytest.approx((2 * factor, 3 * factor))
    viewer.layers.clear()
    viewer.add_image(VOLUME, scale=(1, 2, 3))  # pixels of nobody knows what
    assert only(of(viewer)).spacing_mm is None


def test_of_more_axes_the_last_one_is_gone_through_and_the_others_stay(viewer):
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    viewer.add_image(data, name="film")
    viewer.dims.set_current_step((0, 1), (1, 2))
    cases = of(viewer)
    assert (cases.plane.count, cases.plane.start) == (3, 2)
    assert cases.plane.key(0) == "film[1,0]"
    assert np.array_equal(cases.plane.read(1), data[1, 1])


def test_labels_are_experts_in_the_order_of_the_list_and_any_label_counts(viewer):
    image = viewer.add_image(VOLUME, **SPACED)
    first, second = np.zeros((2, 5, 6, 7), int)
    first[1, 2:4, 3] = 7
    second[1, 0, 0] = 1
    labels = [viewer.add_labels(values, **SPACED) for values in (first, second)]
    cases = of(viewer, image, *labels)
    assert np.array_equal(only(cases, 1).masks, [first[1] > 0, second[1] > 0])
    assert only(cases, 0).n_found == 0
    labels[1].data[0, 5, 5] = 3  # painted afterwards
    assert only(cases, 0).n_found == 1


def test_a_polygon_marks_the_pixels_whose_middle_it_holds(viewer):
    image = viewer.add_image(np.zeros((6, 7)), scale=(2, 0.5))
    polygon = np.array([[0.6, 0.6], [0.6, 3.4], [4.4, 3.4], [4.4, 0.6]])
    shapes = viewer.add_shapes([polygon], shape_type="polygon", scale=(2, 0.5))
    expected = np.zeros((6, 7), bool)
    expected[1:5, 1:4] = True
    assert np.array_equal(only(of(viewer, image, shapes)).masks, [expected])
    elsewhere = viewer.add_shapes([polygon * (2, 0.5) + (2, 0)], shape_type="polygon", translate=(-2, 0))
    assert np.array_equal(only(of(viewer, image, elsewhere)).masks, [expected])


def test_shapes_of_a_volume_count_on_their_own_slice(viewer):
    image = viewer.add_image(VOLUME, **SPACED)
    square = np.array([[2, 0.6, 0.6], [2, 0.6, 2.6], [2, 2.6, 2.6], [2, 2.6, 0.6]])
    shapes = viewer.add_shapes([square, np.add(square, 1)], shape_type="polygon", **SPACED)
    cases = of(viewer, image, shapes)
    found = [only(cases, z).masks[0].sum() for z in range(5)]
    assert found == [0, 0, 4, 4, 0]
    assert only(cases, 3).masks[0, 2:4, 2:4].all()


def test_an_expert_who_drew_nothing_is_one_who_saw_nothing(viewer):
    image = viewer.add_image(VOLUME, **SPACED)
    cases = of(
        viewer, image, viewer.add_shapes(ndim=3, **SPACED), viewer.add_labels(np.zeros((5, 6, 7), int), **SPACED)
    )
    case = only(cases, 2)
    assert (case.n_found, case.n_experts) == (0, 2)


def test_an_ellipse_marks_what_lies_inside_it(viewer):
    image = viewer.add_image(np.zeros((41, 61)))
    shapes = viewer.add_shapes([[[10, 10], [10, 50], [30, 50], [30, 10]]], shape_type="ellipse")
    rows, columns = np.mgrid[:41, :61]
    inside = ((rows - 20) / 10) ** 2 + ((columns - 30) / 20) ** 2
    (mask,) = only(of(viewer, image, shapes)).masks
    assert mask[inside < 0.98].all()
    assert not mask[inside > 1.001].any()


def test_hounsfield_units_may_be_seen_by_the_lung_window(viewer):
    units = np.linspace(-1000, 600, 20).reshape(4, 5)
    viewer.add_image(units, contrast_limits=(-1000, 600))
    cases = of(viewer)
    assert cases.windows == ("as shown", "lung", "slice")
    assert np.array_equal(only(cases).hounsfield, np.rint(units).astype(np.int16))
    by_lung = cases.by("lung")
    assert np.array_equal(only(by_lung).image, WINDOWS["lung"].intensity(units))
    assert by_lung.source != cases.source  # or runs for the one would be shown for the other
    assert only(cases.by("slice")).image.max() == 1


def test_of_several_resolutions_the_finest_is_taken(viewer):
    fine = np.random.default_rng(0).random((64, 64))
    viewer.add_image([fine, fine[::2, ::2]], multiscale=True, contrast_limits=(0, 1))
    assert np.array_equal(only(of(viewer)).image, fine.astype(np.float32))


class Lazy:
    """An array that counts what is asked of it."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.ndim, self.asked = values, values.shape, values.dtype, values.ndim, 0

    def __getitem__(self, index):
        found = self.values[index]
        self.asked += found.size
        return found

    def __len__(self):
        return len(self.values)


def test_of_a_lazy_volume_only_the_slice_is_read(viewer):
    lazy = Lazy(VOLUME)
    viewer.add_image(lazy, contrast_limits=(0, 200))
    lazy.asked = 0
    cases = of(viewer)
    only(cases, 1)
    assert lazy.asked == 2 * 6 * 7  # one to see what it holds, one for the case


def test_a_survey_reads_no_pixels(viewer):
    lazy = Lazy(VOLUME)
    image = viewer.add_image(lazy, contrast_limits=(0, 200))
    labels = viewer.add_labels(np.zeros((5, 6, 7), int))
    labels.data[3, 1, 1] = 1
    for layers, n_experts in (((image,), 0), ((image, labels), 1)):
        survey = Survey(of(viewer, *layers).splits["slices"])
        lazy.asked = 0
        survey.advance(10)
        assert survey.done
        assert lazy.asked == 0
        assert [summary.n_found for summary in survey.summaries] == [0, 0, 0, n_experts, 0]
        assert survey.summaries[0].n_experts == n_experts


def test_a_lazy_volume_that_cannot_be_read_is_one_line(viewer):
    lazy = Lazy(VOLUME)
    viewer.add_image(lazy, contrast_limits=(0, 200))
    cases = of(viewer)
    lazy.values = None
    with pytest.raises(DataFormatError, match="is its source still there"):
        only(cases, 1)


def test_a_layer_that_is_deleted_or_moved_leaves_its_case_as_it_was(viewer):
    layer = viewer.add_image(VOLUME, **SPACED)
    cases = of(viewer)
    before = cases.place(2).world((1, 1))
    layer.translate = (0, 0, 0)
    viewer.layers.remove(layer)
    assert np.array_equal(cases.plane.read(2), VOLUME[2])
    assert cases.place(2).world((1, 1)) == before


def test_only_a_scan_seen_as_it_was_stored_has_a_place_in_the_patient(viewer):
    affine = np.diag([-0.8, -0.7, 3.0, 1])
    viewer.add_image(VOLUME, metadata={SCAN: {"affine": affine}}, **SPACED)
    geometry = of(viewer).geometry(2)
    assert geometry.slice_index == 2
    assert np.array_equal(geometry.affine, affine)
    viewer.dims.order = (1, 0, 2)
    assert of(viewer).geometry(2) is None


def bad_nan(viewer):
    values = np.zeros((4, 5))
    values[1, 1] = np.nan
    viewer.add_image(values)


def bad_side(viewer):
    viewer.add_image(np.zeros((4, 5)))
    viewer.add_labels(np.zeros((3, 4, 5), int))
    viewer.dims.order = (1, 0, 2)


def bad_transform(viewer):
    viewer.add_image(np.zeros((4, 5)), scale=(2, 2))
    viewer.add_labels(np.zeros((4, 5), int))


BAD = {
    "nothing": (lambda _: None, "no image is selected"),
    "labels only": (lambda viewer: viewer.add_labels(np.zeros((4, 5), int)), "no image is selected"),
    "two images": (lambda v: (v.add_image(np.zeros((4, 5))), v.add_image(np.zeros((4, 5)))), "2 images are selected"),
    "points": (lambda viewer: viewer.add_points(np.zeros((2, 2))), "holds points"),
    "colours": (lambda viewer: viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True), "has colours"),
    "NaN": (bad_nan, "1 of 20 pixels are NaN"),
    "from the side": (bad_side, "seen from the side"),
    "other shape": (
        lambda v: (v.add_image(np.zeros((4, 5))), v.add_labels(np.zeros((4, 6), int))),
        r"have shape \(4, 6\), the image",
    ),
    "other axes": (
        lambda v: (v.add_image(np.zeros((3, 4, 5))), v.add_shapes([[[0, 0], [0, 2], [2, 2]]], shape_type="polygon")),
        "have 2 axes",
    ),
    "other transform": (bad_transform, "lie elsewhere"),
    "a line": (
        lambda v: (v.add_image(np.zeros((4, 5))), v.add_shapes([[[0, 0], [0, 2]]], shape_type="line")),
        "no inside",
    ),
    "ours": (
        lambda v: v.add_image(np.zeros((4, 5)), metadata={"ambiseg": {"role": "image"}}),
        "belongs to this plugin",
    ),
}


@pytest.mark.parametrize(("make", "why"), BAD.values(), ids=BAD)
def test_what_is_no_case_is_one_line(viewer, make, why):
    make(viewer)
    with pytest.raises(DataFormatError, match=why) as error:
        only(of(viewer))
    assert "\n" not in str(error.value)


def test_sliders_beside_the_image_mean_its_nearest_slice(viewer):
    small = viewer.add_image(np.zeros((3, 4, 5)))
    viewer.add_image(np.zeros((30, 4, 5)))
    viewer.dims.set_current_step(0, 25)
    assert of(viewer, small).plane.start == 2


def test_in_3d_there_is_no_slice(viewer):
    layer = viewer.add_image(VOLUME)
    viewer.dims.ndisplay = 3
    with pytest.raises(DataFormatError, match="shown in 3D"):
        of(viewer, layer)
