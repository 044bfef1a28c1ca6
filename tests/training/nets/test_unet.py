"""The U-Net to the parameter, and what its inputs mean."""

import pytest
import torch

from training.nets.blocks import SMALL_MAP, Downsample, Norm, SelfAttention, TimeEmbedding
from training.nets.unet import UNet


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def paper():
    return UNet()


def test_the_paper_network_has_6_891_905_parameters(paper):
    assert count(paper) == 6_891_905


def test_the_network_with_one_image_channel_has_6_891_329_parameters():
    assert count(UNet(image_channels=1)) == 6_891_329


def test_the_number_of_heads_does_not_change_the_count(paper):
    assert count(UNet(heads=4)) == count(paper)


def test_every_part_has_its_share_of_the_parameters(paper):
    """The budget that the authors' code has, part by part."""
    encoder = [layer for layer in paper.encoder if not isinstance(layer, Downsample)]
    downs = [layer for layer in paper.encoder if isinstance(layer, Downsample)]

    def attention(stages):
        return [count(stage.attention) for stage in stages if isinstance(stage.attention, SelfAttention)]

    assert count(paper.time) == 20_736
    assert count(paper.stem) == 1_184
    assert sum(count(stage.block) for stage in encoder) == 1_482_208
    assert attention(encoder) == [66_304] * 4
    assert sum(count(down) for down in downs) == 55_424
    assert sum(count(stage.block) for stage in paper.middle) == 1_248_768
    assert attention(paper.middle) == [66_304] * 3
    assert sum(count(stage.block) for stage in paper.decoder) == 3_093_824
    assert attention(paper.decoder) == [66_304] * 5
    assert sum(count(stage.up) for stage in paper.decoder) == 193_760
    assert count(paper.norm) + count(paper.out) == 353


def test_the_time_features_are_cosines_then_sines_of_ten_to_the_minus_k_over_16():
    embedding = TimeEmbedding(32, 128)
    embedding.mlp = torch.nn.Identity()
    t = 0.7
    k = torch.arange(16)
    angles = t * 10.0 ** (-k / 16)
    torch.testing.assert_close(embedding(torch.tensor([t]))[0], torch.cat([angles.cos(), angles.sin()]))


def test_attention_is_softmax_of_scaled_products_for_each_head():
    """Against a loop over heads and pixels."""
    torch.manual_seed(0)
    layer = SelfAttention(8, heads=2, groups=4)
    torch.nn.init.normal_(layer.project.weight)
    x = torch.randn(1, 8, 3, 2)
    qkv = layer.qkv(layer.norm(x)).reshape(2, 3, 4, 6)  # head, (q k v), channel, pixel
    heads = []
    for q, k, v in qkv:
        columns = []
        for i in range(6):
            weight = torch.softmax(torch.stack([q[:, i] @ k[:, j] / 2 for j in range(6)]), dim=0)
            columns.append(sum(w * v[:, j] for j, w in enumerate(weight)))
        heads.append(torch.stack(columns, dim=1))
    expected = x + layer.project(torch.cat(heads).reshape(1, 8, 3, 2))
    torch.testing.assert_close(layer(x), expected)


def tiny(**changes):
    torch.manual_seed(0)
    settings = {
        "image_channels": 1,
        "base_channels": 4,
        "multipliers": (1, 2),
        "res_blocks": (1, 1),
        "middle_blocks": 2,
        "groups": 2,
    }
    net = UNet(**settings | changes)
    for parameter in net.parameters():  # zero-initialised branches would hide mistakes
        torch.nn.init.normal_(parameter, std=0.2)
    return net


@pytest.mark.parametrize("patch", [1, 2])
def test_the_output_has_the_shape_of_the_mask(patch):
    net = tiny(patch=patch)
    x = torch.randn(2, 1, 16, 24)
    assert net.size_multiple == 2 * patch
    assert net(x, torch.rand(2), torch.rand_like(x)).shape == x.shape


def test_a_fresh_network_predicts_zero():
    net = UNet(base_channels=4, multipliers=(1, 2), res_blocks=(1, 1), middle_blocks=1, groups=2)
    x = torch.randn(1, 1, 8, 8)
    assert (net(x, torch.rand(1), x) == 0).all()


def test_only_a_bounded_network_stays_within_one():
    x = torch.randn(4, 1, 16, 16)
    outputs = {bounded: tiny(bounded=bounded)(x, torch.rand(4), x) for bounded in (True, False)}
    torch.testing.assert_close(outputs[True], outputs[False].tanh())
    assert outputs[True].abs().max() <= 1
    assert not torch.allclose(outputs[True], outputs[False])


def test_one_shared_time_equals_the_same_time_for_each():
    net = tiny()
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(net(x, torch.tensor([0.3]), x), net(x, torch.full((3,), 0.3), x))


@pytest.mark.parametrize("which", ["mask", "time", "image"])
def test_the_output_depends_on_every_input(which):
    net = tiny()
    inputs = {"mask": torch.randn(1, 1, 8, 8), "time": torch.tensor([0.2]), "image": torch.rand(1, 1, 8, 8)}
    before = net(*inputs.values())
    inputs[which] = inputs[which] + 0.5
    assert not torch.allclose(net(*inputs.values()), before)


def test_the_network_without_gradients_equals_the_one_with_them():
    """In-place steps and the shared time in the bias, against the plain way; nothing handed in is written to."""
    net = tiny()
    x, image, t = torch.randn(3, 1, 16, 16), torch.rand(3, 1, 16, 16), torch.tensor([0.4])
    copies = x.clone(), image.clone()
    with_gradients = net(x, t.expand(3), image)
    with torch.no_grad():
        without = net(x, t, image)
    torch.testing.assert_close(without, with_gradients)
    torch.testing.assert_close((x, image), copies, rtol=0, atol=0)


def test_a_shared_time_has_the_gradients_of_the_same_time_for_each():
    gradients = []
    for t in (torch.tensor([0.4]), torch.full((3,), 0.4)):
        net = tiny()
        x = torch.linspace(-1, 1, 3 * 64).reshape(3, 1, 8, 8)
        net(x, t, x.abs()).square().sum().backward()
        gradients.append({name: parameter.grad for name, parameter in net.named_parameters()})
    assert any(gradient.abs().max() > 0 for name, gradient in gradients[0].items() if ".time." in name)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("side", [8, 64])
def test_a_bfloat16_map_is_normalised_to_its_rounding(side):
    """Small maps by way of float32, large ones not: against float64."""
    assert (side**2 <= SMALL_MAP) == (side == 8)
    torch.manual_seed(0)
    norm = Norm(4, 16)
    torch.nn.init.normal_(norm.weight)
    x = (torch.randn(2, 16, side, side) * 3 + 5).bfloat16()
    expected = torch.nn.functional.group_norm(x.double(), 4, norm.weight.double())
    with torch.no_grad():
        found = norm(x)
    assert found.dtype == (torch.float32 if side == 8 else torch.bfloat16)
    torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=2e-2)
    assert norm(x.requires_grad_()).dtype == torch.float32  # where its gradient is the faster one


def test_a_self_conditioned_network_reads_its_estimate_and_takes_none_for_zeros():
    net = tiny(self_conditioned=True)
    x, t = torch.randn(2, 1, 8, 8), torch.rand(2)
    without = net(x, t, x)
    torch.testing.assert_close(net(x, t, x, torch.zeros_like(x)), without)
    assert not torch.allclose(net(x, t, x, torch.ones_like(x)), without)
    assert count(net) == count(tiny()) + 4 * 9
