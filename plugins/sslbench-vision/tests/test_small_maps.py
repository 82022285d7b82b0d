"""Convolutions of small maps as one product: torch's numbers and gradients, and no other change of an encoder."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sslbench_vision.backbones import small_maps
from sslbench_vision.backbones.small_maps import SmallMapConv2d, convolve_as_product
from sslbench_vision.backbones.timm_family import TimmConfig
from sslbench_vision.backbones.timm_model import TimmEncoder
from sslbench_vision.backbones.torchvision_family import TorchvisionConfig
from sslbench_vision.backbones.torchvision_model import TorchvisionEncoder
from torch import nn

from sslbench.api import Modality

IMAGES = Modality(layout="image", shape=(3, 32, 32))
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(
    pairs,
    pairs,
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.booleans(),
)
def test_one_product_is_torchs_convolution_with_its_gradients(size, kernel, stride, padding, biased):
    if any(s + 2 * p < k for s, p, k in zip(size, padding, kernel, strict=True)):
        return
    rng = torch.Generator().manual_seed(0)
    maps, weight = (
        torch.randn(shape, dtype=torch.float64, generator=rng) for shape in ((2, 3, *size), (5, 3, *kernel))
    )
    bias = torch.randn(5, dtype=torch.float64, generator=rng) if biased else None
    given_ = [one.requires_grad_() for one in (maps, weight, bias) if one is not None]
    found = convolve_as_product(maps, weight, bias, stride, padding)
    wanted = nn.functional.conv2d(maps, weight, bias, stride, padding)
    weights = torch.randn(wanted.shape, dtype=torch.float64, generator=rng)
    torch.testing.assert_close(found, wanted)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), given_),
        torch.autograd.grad((wanted * weights).sum(), given_),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def encoder(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "timm":
        return TimmEncoder(TimmConfig(model="resnet18"), IMAGES)
    return TorchvisionEncoder(TorchvisionConfig(model=kind, stem="standard"), IMAGES)


@pytest.mark.parametrize("kind", ["resnet18", "vgg11", "timm"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_an_encoder_learns_the_same_and_gives_the_same_bits(monkeypatch, kind, dtype, tolerance):
    own, drawn = encoder(kind), torch.rand(1)
    monkeypatch.setattr(small_maps, "_is_plain", lambda one: False)
    plain = encoder(kind)
    assert torch.equal(torch.rand(1), drawn)
    assert [any(isinstance(m, SmallMapConv2d) for m in one.modules()) for one in (own, plain)] == [True, False]
    assert list(own.state_dict()) == list(plain.state_dict())
    images = torch.rand(64, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(own.eval()(images), plain.eval()(images))
    gradients = []
    for one in (own.train(), plain.train()):
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            loss = one(images).float().square().mean()
        found = torch.autograd.grad(loss, list(one.parameters()), allow_unused=True)
        gradients.append(torch.cat([gradient.flatten() for gradient in found if gradient is not None]))
    assert float((gradients[0] - gradients[1]).norm() / gradients[1].norm()) < tolerance


def test_other_convolutions_and_large_maps_are_unchanged(monkeypatch):
    def never(*args: object) -> torch.Tensor:
        raise AssertionError("never to be called")

    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.Conv2d(4, 4, 3, padding=2, dilation=2), nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="replicate"), nn.Conv2d(4, 4, 3, padding=1),
    )  # fmt: skip
    small_maps.use_small_map_convolutions(network)
    assert [type(one) is SmallMapConv2d for one in network] == [False, False, False, False, True]
    monkeypatch.setattr(small_maps, "convolve_as_product", never)
    network(torch.rand(1, 4, 3, 3)).sum().backward()
    with torch.no_grad():
        network(torch.rand(1, 4, 2, 2))
    with pytest.raises(AssertionError, match="never"):
        network[-1:](torch.rand(1, 4, 2, 2))
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        SmallMapConv2d(4, 4, 5)(torch.rand(1, 4, 2, 2))
