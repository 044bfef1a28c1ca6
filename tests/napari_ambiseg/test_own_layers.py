"""Reading on layers of the user's own: begun, followed with the sliders, drawn for."""

from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

from napari_ambiseg._compat import camera
from napari_ambiseg.layers.book import role_of
from napari_ambiseg.layers.roles import FIELD, IMAGE, KEY, ORDER, READING
from napari_ambiseg.state import IDLE
from training.errors import ConfigError, DataFormatError

from .own_volume import SHAPE, SPACED, drawn, use


def ours(viewer):
    return {role_of(layer): layer for layer in viewer.layers if role_of(layer)}


def test_the_selected_image_is_read_at_its_slider(controller, viewer, volume):
    use(controller, volume)
    assert controller.case.key == "chest[2]"
    assert controller.state.disagreement.experts is None
    image = ours(viewer)[IMAGE]
    assert image.metadata[KEY]["layer"] == "chest"
    assert image.metadata[KEY]["window"] == "as shown"
    assert tuple(image.data_to_world((0, 4, 5))) == pytest.approx(tuple(volume.data_to_world((2, 4, 5))))


def test_the_user_s_layers_are_left_as_they_are(controller, engine, viewer, volume):
    before = volume.data.copy()
    use(controller, volume)
    drawn(controller, engine)
    assert np.array_equal(volume.data, before)
    assert (tuple(volume.scale), volume.visible, volume.name, dict(volume.metadata)) == (
        (3.0, 0.7, 0.8),
        True,
        "chest",
        {},
    )


def test_the_camera_stays_where_the_user_has_it(controller, viewer, volume):
    camera(viewer).center, camera(viewer).zoom = (0, 33.0, 12.0), 7.0
    use(controller, volume)
    assert camera(viewer).zoom == 7.0
    assert tuple(camera(viewer).center)[-2:] == (33.0, 12.0)


def test_the_case_follows_the_slider_and_the_slider_the_case(controller, viewer, volume):
    use(controller, volume)
    viewer.dims.set_current_step(0, 4)
    controller.tick()
    assert controller.case.key == "chest[4]"
    controller.opener.next_case(-1)
    assert viewer.dims.point[0] == pytest.approx(10 + 3 * 3)
    controller.tick()
    assert controller.case.key == "chest[3]"


def test_while_samples_are_drawn_the_case_stays_whatever_the_slider_does(controller, engine, viewer, volume):
    use(controller, volume)
    controller.generate()
    engine.load()
    controller.tick()
    viewer.dims.set_point(viewer.dims.ndim - 3, 10 + 3 * 4)
    for _ in range(3):
        controller.tick()
    assert controller.case.key == "chest[2]"
    engine.finish()
    for _ in range(10):
        controller.tick()
    assert controller.state.sampling.status == IDLE
    assert controller.case.key == "chest[4]"


def test_every_layer_of_a_run_lies_at_the_slice_s_depth_and_no_other(controller, engine, viewer, volume):
    use(controller, volume)
    drawn(controller, engine)
    controller.state.display.map = "sample variance"
    controller.tick()
    found = ours(viewer)
    assert set(found) >= {"image", "map", "trajectory", "samples"}
    for role, layer in found.items():
        if role != "experts":  # nobody annotated it
            assert layer.extent.world[:, -3] == pytest.approx([16.0, 16.0]), role
    assert len(viewer.dims.point) == 5  # sample, step, z, y, x
    assert viewer.dims.axis_labels[:2] == ("sample (from 0)", "step")


def test_a_field_in_a_volume_is_placed_by_a_click_in_its_world(controller, viewer):
    layer = viewer.add_image(np.random.default_rng(1).random((4, 300, 260)), **SPACED)
    viewer.dims.set_current_step(0, 1)
    use(controller, layer)
    controller.placer.put(controller.browser.place.pixel((13.0, 5 + 0.7 * 200, -6 + 0.8 * 150)))
    assert controller.state.placing.field.shape == (128, 128)
    field = controller.state.placing.field
    assert (field.top, field.left) == (137, 87)
    controller.tick()
    path = ours(viewer)[FIELD].data[0]
    corner = ours(viewer)[FIELD].data_to_world(path[0])
    assert tuple(corner) == pytest.approx(tuple(layer.data_to_world((1, 136.5, 86.5))))


def test_a_field_that_the_user_placed_stays_on_the_next_slice_and_under_another_window(controller, viewer):
    layer = viewer.add_image(np.random.default_rng(1).random((4, 300, 260)), **SPACED)
    use(controller, layer)
    by_itself = controller.state.placing.field
    controller.placer.put((200, 150))
    field = controller.state.placing.field
    controller.opener.next_case()
    assert controller.state.placing.field == field
    controller.own.choose_window("slice")
    assert controller.state.placing.field == field
    controller.placer.reset()
    assert controller.state.placing.field == by_itself
    controller.opener.next_case()
    assert controller.state.placing.field == by_itself
    controller.placer.put((200, 150))
    use(controller, layer)
    assert controller.state.placing.field == by_itself


def test_the_rectangle_of_the_field_goes_along_with_the_slice(controller, viewer):
    layer = viewer.add_image(np.random.default_rng(1).random((4, 300, 260)), **SPACED)
    use(controller, layer)
    for number in (3, 0):
        controller.opener.open_case(number)
        controller.tick()
        rectangle = ours(viewer)[FIELD]
        corner = rectangle.data_to_world(rectangle.data[0][0])
        assert tuple(corner) == pytest.approx(tuple(layer.data_to_world((number, 85.5, 65.5))))


def test_another_window_is_another_image_for_the_model(controller, viewer, volume):
    use(controller, volume)
    before = controller.case.image
    controller.own.choose_window("lung")
    assert controller.state.placing.window == "lung"
    assert not np.array_equal(controller.case.image, before)
    assert controller.case.key == "chest[2]"
    controller.opener.open_demo()
    assert controller.state.placing.windows == ()


def test_a_window_that_is_not_offered_is_refused(controller, viewer, volume):
    use(controller, volume)
    with pytest.raises(ConfigError, match="no window 'bone' for this layer; choose one of: as shown, lung, slice"):
        controller.own.choose_window("bone")


def test_experts_of_a_layer_are_measured(controller, viewer, volume):
    labels = viewer.add_labels(np.zeros(SHAPE, int), **SPACED)
    labels.data[2, 10:20, 10:20] = 1
    others = viewer.add_labels(np.zeros(SHAPE, int), **SPACED)
    use(controller, volume, labels, others)
    experts = controller.state.disagreement.experts
    assert (experts.n_found, experts.n_experts) == (1, 2)
    assert experts.areas[0] == pytest.approx(100 * 0.7 * 0.8)


def test_what_is_no_case_is_told_and_the_open_case_stays(controller, viewer, told):
    controller.opener.open_demo()
    key = controller.case.key
    use(controller, viewer.add_points(np.zeros((1, 2))))
    assert "holds points" in told()[-1]
    assert controller.case.key == key


def test_an_unreadable_slice_is_told_once_and_the_one_before_stays(controller, viewer, volume, told):
    use(controller, volume)
    volume.data[3, 1, 1] = np.nan
    controller.opener.next_case()
    assert controller.case.key == "chest[2]"
    assert "NaN" in told()[-1]
    controller.opener.next_case()
    assert controller.case.key == "chest[4]"


def test_a_layer_deleted_while_samples_are_drawn_takes_nothing_along(controller, engine, viewer, volume, told):
    use(controller, volume)
    controller.generate()
    engine.load()
    controller.tick()
    viewer.layers.remove(volume)
    engine.finish()
    for _ in range(10):
        controller.tick()
    assert controller.results.run is not None
    controller.put_masks_back()
    assert viewer.layers[-1].data.shape == SHAPE
    assert told() == []


def test_from_a_volume_back_to_plain_slices_no_layer_keeps_the_volume_s_axes(controller, engine, viewer, volume):
    use(controller, volume)
    drawn(controller, engine)
    controller.opener.open_demo()
    drawn(controller, engine)
    assert {layer.ndim for role, layer in ours(viewer).items() if role != "trajectory"} == {2}
    assert ours(viewer)["trajectory"].ndim == 4
    use(controller, volume)
    drawn(controller, engine)
    assert {layer.ndim for role, layer in ours(viewer).items() if role != "trajectory"} == {3}


def test_twice_the_same_layer_is_two_sets_and_no_run_is_taken_for_the_other_s(controller, engine, viewer, volume):
    use(controller, volume)
    drawn(controller, engine)
    volume.contrast_limits = (-900, -300)
    use(controller, volume)
    assert controller.results.run is None


def test_a_scan_opens_as_a_layer_of_the_user_s_own_and_is_read_at_once(controller, viewer, tmp_path):
    affine = np.array([[-0.7, 0, 0, 5], [0, -0.8, 0, 6], [0, 0, 2.5, 7], [0, 0, 0, 1.0]])
    stored = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7) - 1000
    nibabel.save(nibabel.Nifti1Image(stored, affine), tmp_path / "chest.nii.gz")
    controller.opener.open_path(tmp_path / "chest.nii.gz")
    controller.tick()
    layer = viewer.layers["chest"]
    assert role_of(layer) is None
    assert tuple(layer.contrast_limits) == (-1000, 400)
    assert controller.case.key == "chest[3]"
    assert controller.case.spacing_mm == pytest.approx((0.8, 0.7))
    # World: up, back, left of the patient; the stored axes run left, back, up.
    for index in [(0, 0, 0), (4, 1, 2), (3, 5, 6)]:
        right, front, top = (affine @ (*index, 1))[:3]
        at = tuple(np.round(layer.world_to_data((top, -front, -right))).astype(int))
        assert layer.data[at] == stored[index]
    assert controller.browser.geometry.slice_index == 3
    found = controller.browser.geometry.affine @ (2, 1, 3, 1)  # column, row, slice
    assert found[:3] == pytest.approx((affine @ (2, 1, 3, 1))[:3])


def test_a_mask_file_opens_as_labels_and_stays_the_user_s(controller, viewer, tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 7), np.uint8), np.eye(4)), tmp_path / "chest_mask.nii")
    controller.opener.open_path(tmp_path / "chest_mask.nii")
    assert type(viewer.layers["chest_mask"]).__name__ == "Labels"
    assert controller.case is None


def test_use_of_nothing_raises_what_the_controller_tells(controller):
    with pytest.raises(DataFormatError, match="no image is selected"):
        controller.own.use([])


def test_a_blank_and_an_rgb_picture_are_told(controller, viewer, told):
    use(controller, viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True))
    assert "has colours" in told()[-1]
    use(controller, viewer.add_image(np.zeros((4, 5)), name="blank"))
    assert controller.case.key == "blank"
    assert set(ours(viewer)) <= set(ORDER)


def test_a_blind_read_is_painted_on_the_slice_s_own_plane_and_comes_back_with_it(controller, viewer, volume):
    use(controller, volume)
    controller.reader.toggle()
    controller.tick()
    reading = ours(viewer)[READING]
    assert tuple(reading.data_to_world((0, 0, 0))) == pytest.approx(tuple(volume.data_to_world((2, 0, 0))))
    reading.data[0, 5:10, 5:15] = 1
    controller.tick()
    controller.reader.toggle()
    assert controller.state.reading.area == 50
    assert controller.state.reading.distances == ()  # to nobody
    controller.opener.next_case()
    controller.tick()
    controller.opener.next_case(-1)
    controller.tick()
    assert ours(viewer)[READING].data.sum() == 50


def test_a_pixel_under_the_mouse_is_told_at_its_own_depth_alone(controller, engine, viewer, volume):
    use(controller, volume)
    drawn(controller, engine)
    place = controller.results.run.place
    for world, said in ((place.world((12, 12)), "4 of 6 samples"), ((19.0, *place.world((12, 12))[1:]), "")):
        for callback in viewer.mouse_move_callbacks:
            callback(viewer, SimpleNamespace(position=(0, 0, *world), type="mouse_move"))
        controller.tick()
        assert controller.state.disagreement.hover == said


def test_runs_side_by_side_lie_at_the_slice_s_depth(controller, engine, viewer, volume):
    use(controller, volume)
    drawn(controller, engine)
    controller.comparer.pin()
    controller.state.sampling.seed = 3
    drawn(controller, engine)
    controller.comparer.show_runs()
    cells = [layer for layer in viewer.layers if layer.metadata.get(KEY, {}).get("role") == "cell"]
    assert {layer.ndim for layer in cells} == {3}
    controller.comparer.leave()


def test_numbers_that_need_experts_are_not_there(controller, engine, viewer, volume):
    use(controller, volume)
    drawn(controller, engine)
    measures = controller.state.disagreement.raw
    assert (measures.n, measures.n_experts, measures.n_empty) == (6, 0, 1)
    assert np.isnan(measures.scores["ged_v"])
