"""Tokens, masked tokens, layers and maps of every backbone, against timm's and torchvision's own computations."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from sslbench_vision.backbones.micro_cnn import MicroCnnConfig
from sslbench_vision.backbones.micro_cnn_model import MicroCnn
from sslbench_vision.backbones.micro_vit import MicroVitConfig
from sslbench_vision.backbones.micro_vit_model import MicroVit
from sslbench_vision.backbones.timm_family import TimmConfig, provides
from sslbench_vision.backbones.timm_model import TimmEva, timm_encoder
from sslbench_vision.backbones.torchvision_family import TorchvisionConfig
from sslbench_vision.backbones.torchvision_model import TorchvisionEncoder
from torch import nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, Depth, DropPath, Layers, Maps, MaskedTokens

PATCHES = {
    "vit_tiny_patch16_224": 16,  # learned positions, class token
    "eva02_tiny_patch14_224": 14,  # learned and rotary positions
    "vit_tiny_patch16_dinov3_qkvb": 16,  # rotary positions alone, registers
    "vit_small_patch16_rope_mixed_224": 16,  # rotary positions of each block
}
TRANSFORMERS = list(PATCHES)
TIMM_CNNS = ("resnet10t", "convnext_atto", "convnextv2_atto")
TORCHVISION_CNNS = ("resnet18", "convnext_tiny", "vgg11")
ROWS, CHANNELS = 2, 3


def modality_of(name: str) -> Modality:
    shape = (CHANNELS, 2 * PATCHES[name], 3 * PATCHES[name])
    return Modality(layout="image", shape=shape, mean=(0.4,) * 3, std=(0.3,) * 3)


@lru_cache
def transformer(name: str) -> tuple[Backbone, torch.Tensor]:
    """Return a transformer with random weights for 2 x 3 patches, and images."""
    torch.manual_seed(0)
    encoder = timm_encoder(TimmConfig(model=name), modality_of(name)).eval()
    with torch.no_grad():
        for parameter in encoder.parameters():  # small initial scales would hide differences
            parameter.add_(0.02 * torch.randn_like(parameter))
    return encoder, torch.rand(ROWS, *modality_of(name).shape)


@lru_cache
def micro_vit(pool: str = "mean") -> tuple[MicroVit, torch.Tensor]:
    torch.manual_seed(0)
    modality = Modality(layout="image", shape=(CHANNELS, 16, 24))
    return MicroVit(MicroVitConfig(depth=3, width=16, heads=2, patch=8, pool=pool), modality).eval(), torch.rand(
        ROWS, *modality.shape
    )


def embedded_patches(encoder: Backbone, x: torch.Tensor) -> torch.Tensor:
    if isinstance(encoder, MicroVit):
        return encoder.embed(encoder.normalize(x)).flatten(2).transpose(1, 2)
    return encoder.network.patch_embed(encoder.normalize(x))


def tokens_of(encoder: Backbone, patches: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Return the tokens that timm computes from embedded patches; of the micro ViT, the same step by step."""
    if isinstance(encoder, MicroVit):
        tokens = torch.cat([encoder.class_token.expand(ROWS, -1, -1), patches + encoder.positions], 1)
        return encoder.norm(nn.Sequential(*encoder.blocks)(tokens))
    with monkeypatch.context() as patch:
        patch.setattr(encoder.network.patch_embed, "forward", lambda x: patches)
        return encoder.network.forward_features(torch.empty(0))


ENCODERS = ["micro-vit", *TRANSFORMERS]


def encoder_of(name: str) -> tuple[Backbone, torch.Tensor]:
    return micro_vit() if name == "micro-vit" else transformer(name)


@pytest.mark.parametrize("name", ENCODERS)
def test_transformers_have_every_dense_output(name):
    encoder, _ = encoder_of(name)
    for capability in (MaskedTokens, Layers, Maps, Depth, DropPath):
        assert isinstance(encoder, capability)
    assert {encoder.depth_of(p) for p, _ in encoder.named_parameters()} <= set(range(encoder.depth + 1))
    if name != "micro-vit":
        assert {"tokens", "masked-tokens", "layers", "maps", "depth", "drop-path"} <= provides(TimmConfig(model=name))
        assert "any-size" in provides(TimmConfig(model=name, any_size=True))


@pytest.mark.parametrize("name", ENCODERS)
def test_masked_patches_are_replaced_before_positions_and_train_the_token(name, monkeypatch):
    encoder, x = encoder_of(name)
    mask = torch.tensor([[True, False, True, False, False, True], [False, True, False, False, True, True]])
    token = torch.randn(encoder.patch_width).requires_grad_()
    patches = embedded_patches(encoder, x).detach().clone()
    for sample, patch in mask.nonzero().tolist():
        patches[sample, patch] = token.detach()
    found = encoder.tokens(x, mask=mask, mask_token=token)
    torch.testing.assert_close(found, tokens_of(encoder, patches, monkeypatch))
    (gradient,) = torch.autograd.grad((found * torch.randn_like(found)).sum(), token)
    assert gradient.abs().max() > 1e-4
    with torch.no_grad():
        keep = torch.tensor([[0, 3, 5], [4, 2, 1]])
        both = encoder.tokens(x, keep, mask, token)
        assert both.shape == (ROWS, encoder.prefix + 3, encoder.width)
        changed = torch.where(pixels_of(mask, encoder, x), 1 - x, x)
        torch.testing.assert_close(both, encoder.tokens(changed, keep, mask, token))
    with pytest.raises(ValueError, match=r"tokens\(mask=…\): needs mask_token as well"):
        encoder.tokens(x, mask=mask)


def pixels_of(mask: torch.Tensor, encoder: Backbone, x: torch.Tensor) -> torch.Tensor:
    height, width = encoder.patch
    grid = mask.view(ROWS, 1, x.shape[2] // height, x.shape[3] // width)
    return grid.repeat_interleave(height, 2).repeat_interleave(width, 3)


@pytest.mark.parametrize("name", ENCODERS)
def test_keeping_all_patches_is_the_forward_pass(name):
    encoder, x = encoder_of(name)
    everything = torch.arange(6).expand(ROWS, 6)
    with torch.no_grad():
        tokens = encoder.tokens(x)
        torch.testing.assert_close(encoder.tokens(x, everything), tokens)
        turned = encoder.tokens(x, everything.flip(1))
        torch.testing.assert_close(turned[:, encoder.prefix :].flip(1), tokens[:, encoder.prefix :])
        assert tokens.shape == (ROWS, encoder.prefix + 6, encoder.width)
        pooled = tokens[:, encoder.prefix :].mean(1) if name == "micro-vit" else encoder.network.forward_head(tokens)
        torch.testing.assert_close(encoder(x), pooled)


def test_the_class_token_of_the_micro_vit_is_its_feature():
    encoder, x = micro_vit("class")
    assert torch.equal(encoder(x), encoder.tokens(x)[:, 0])


@pytest.mark.parametrize("name", [name for name in TRANSFORMERS if name != "vit_tiny_patch16_224"])
def test_kept_patches_keep_their_rotary_positions(name, monkeypatch):
    """timm drops patches, and their rotary positions, with a module; here it keeps the same ones."""
    encoder, x = transformer(name)
    assert isinstance(encoder, TimmEva)
    keep = torch.tensor([[4, 0, 3], [1, 5, 2]])

    def drop(tokens):
        patches = tokens[:, encoder.prefix :]
        kept = torch.stack([patches[sample, keep[sample]] for sample in range(ROWS)])
        return torch.cat([tokens[:, : encoder.prefix], kept], 1), keep

    with torch.no_grad():
        found = encoder.tokens(x, keep)
        with monkeypatch.context() as patch:
            patch.setattr(encoder.network, "patch_drop", drop)
            expected = encoder.network.forward_features(encoder.normalize(x))
        others = encoder.tokens(x, keep.flip(0))
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, others, atol=1e-3)


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("normalize", [True, False])
def test_layers_and_maps_are_those_of_timm(name, normalize):
    encoder, x = transformer(name)
    with torch.no_grad():
        expected = encoder.network.forward_intermediates(
            encoder.normalize(x), norm=normalize, output_fmt="NLC", return_prefix_tokens=True, intermediates_only=True
        )
        found = encoder.layers(x, (0, -1, 5), normalize=normalize)
        for tokens, number in zip(found, (0, encoder.layer_count - 1, 5), strict=True):
            patches, prefix = expected[number]
            torch.testing.assert_close(tokens, torch.cat([prefix, patches], 1))
        torch.testing.assert_close(encoder.layers(x, (-1,))[0], encoder.tokens(x))
        maps = encoder.network.forward_intermediates(encoder.normalize(x), [2, 11], norm=True, intermediates_only=True)
        for mine, theirs in zip(encoder.maps(x, (2, 11)), maps, strict=True):
            torch.testing.assert_close(mine, theirs)
        torch.testing.assert_close(encoder.maps(x)[0], maps[-1])
    assert encoder.map_widths == (encoder.width,) * encoder.layer_count
    with pytest.raises(IndexError, match=r"no output 12\. Choose from -12 to 11"):
        encoder.layers(x, (12,))


def test_layers_of_the_micro_vit_are_its_blocks():
    encoder, x = micro_vit()
    with torch.no_grad():
        tokens = torch.cat(
            [encoder.class_token.expand(ROWS, -1, -1), embedded_patches(encoder, x) + encoder.positions], 1
        )
        by_block = [tokens := block(tokens) for block in encoder.blocks]
        for normalize in (True, False):
            expected = [encoder.norm(one) if normalize else one for one in by_block]
            found = encoder.layers(x, (-1, 0, 1), normalize=normalize)
            for one, other in zip(found, (expected[2], expected[0], expected[1]), strict=True):
                torch.testing.assert_close(one, other)
        assert encoder.maps(x)[0].shape == (ROWS, 16, 2, 3)
        for row in range(2):
            for column in range(3):
                cell = encoder.maps(x)[0][:, :, row, column]
                torch.testing.assert_close(cell, encoder.tokens(x)[:, 1 + 3 * row + column])


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "eva02_tiny_patch14_224", "vit_tiny_patch16_dinov3_qkvb"])
def test_dense_outputs_of_any_size_equal_those_of_the_size(name):
    fixed, x = transformer(name)
    stretched = timm_encoder(TimmConfig(model=name, any_size=True), modality_of(name)).eval()
    stretched.load_state_dict(fixed.state_dict())
    mask = torch.tensor([[True, False, True, False, False, True]] * ROWS)
    token, keep = torch.randn(fixed.patch_width), torch.tensor([[5, 0]] * ROWS)
    side = 4 * PATCHES[name]
    with torch.no_grad():
        torch.testing.assert_close(stretched(x), fixed(x))
        torch.testing.assert_close(stretched.tokens(x, keep, mask, token), fixed.tokens(x, keep, mask, token))
        assert stretched.maps(torch.rand(1, CHANNELS, side, side))[0].shape == (1, fixed.width, 4, 4)


def test_dinov3_gives_the_same_features_as_timm_alone():
    """Encoders of `Eva` models had no fixed size before; the features are the same."""
    import timm

    encoder, x = transformer("vit_tiny_patch16_dinov3_qkvb")
    theirs = timm.create_model("vit_tiny_patch16_dinov3_qkvb", num_classes=0).eval()
    theirs.load_state_dict(encoder.network.state_dict())
    with torch.no_grad():
        assert torch.equal(encoder(x), theirs(encoder.normalize(x)))


def test_a_pooling_head_of_an_eva_is_as_deep_as_its_last_norm():
    encoder = SimpleNamespace(depth=13, last_modules=TimmEva.last_modules)
    for parameter, depth in (("network.attn_pool.q.weight", 13), ("network.norm.weight", 13), ("network.cls_token", 0)):
        assert TimmEva.depth_of(encoder, parameter) == depth


def cnn(family: str, model: str, side: int = 96) -> Backbone:
    torch.manual_seed(0)
    modality = Modality(layout="image", shape=(CHANNELS, side, side))
    if family == "timm":
        return timm_encoder(TimmConfig(model=model), modality).eval()
    if family == "torchvision":
        return TorchvisionEncoder(TorchvisionConfig(model=model), modality).eval()
    return MicroCnn(MicroCnnConfig(widths=(4, 6, 8, 10)), modality).eval()


CNNS = [("timm", m) for m in TIMM_CNNS] + [("torchvision", m) for m in TORCHVISION_CNNS] + [("micro", "cnn")]


@pytest.mark.parametrize(("family", "model"), CNNS)
def test_features_of_cnns_are_pooled_from_the_last_map(family, model):
    encoder, x = cnn(family, model), torch.rand(ROWS, CHANNELS, 64, 96)
    with torch.no_grad():
        (last,) = encoder.maps(x)
        pooled = last.mean((2, 3))
        if "convnext" in model:  # the norm follows the pooling
            pooled = (
                encoder.network.head(last) if family == "timm" else encoder.network.classifier(pooled[..., None, None])
            )
        torch.testing.assert_close(encoder(x), pooled, rtol=1e-4, atol=1e-5)
        every = encoder.maps(x, range(len(encoder.map_widths)))
        first, again = encoder.maps(x, (0, -1))
    assert isinstance(encoder, Maps)
    assert [one.shape[1] for one in every] == list(encoder.map_widths)
    assert all(a.shape[2] >= b.shape[2] and a.shape[3] > a.shape[2] for a, b in pairwise(every))
    torch.testing.assert_close(first, every[0])
    torch.testing.assert_close(again, last)


@pytest.mark.parametrize("model", TIMM_CNNS)
def test_maps_of_timm_cnns_are_timms_features(model):
    encoder, x = cnn("timm", model), torch.rand(ROWS, CHANNELS, 64, 64)
    with torch.no_grad():
        theirs = encoder.network.forward_intermediates(encoder.normalize(x), 4, norm=True, intermediates_only=True)
        for one, other in zip(encoder.maps(x, range(4)), theirs, strict=True):
            torch.testing.assert_close(one, other)


def test_models_announce_maps_only_where_features_are_pooled_from_them():
    announced = {
        name: provides(TimmConfig(model=name))
        for name in ("resnet18", "convnext_atto", "efficientnet_b0", "swin_tiny_patch4_window7_224")
    }
    assert announced["resnet18"] == announced["convnext_atto"] == {"any-size", "maps"}
    assert announced["efficientnet_b0"] == {"any-size"}
    assert announced["swin_tiny_patch4_window7_224"] == set()
