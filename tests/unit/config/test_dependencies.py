"""What components state that they use: it is checked when a request is planned, and it is part of the keys."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from sslbench.api import (
    DatasetCard,
    DatasetSpec,
    Dependency,
    MethodSpec,
    Need,
    ProtocolSpec,
    RequestError,
    Role,
)
from sslbench.testing.plans import stage_keys
from tests.plugin_in_memory import catalog_with
from tests.stage_plans import planned
from tests.toys import data, parts
from tests.toys.data import CITATION

LITE = Dependency(kind="backbone", name="micro-cnn")


def uses(*teachers):
    return lambda config: {f"teacher{place}" if place else "teacher": one for place, one in enumerate(teachers)}


KNOWN = {
    "version": 1,
    "summary": "theirs",
    "citation": CITATION,
    "build": "tests.unit.config.test_dependencies:absent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    """A component without settings."""


def method(*teachers):
    return MethodSpec(
        name="their-method", **KNOWN, config=NoConfig, smoke=NoConfig(), views=lambda config: {"view": Role(count=1)},
        family="theirs", modalities=(1, 2), trains=False, dependencies=uses(*teachers),
    )  # fmt: skip


def protocol(*teachers):
    return ProtocolSpec(
        name="their-protocol", **KNOWN, config=NoConfig, smoke=NoConfig(), needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class"}), dependencies=uses(*teachers),
    )  # fmt: skip


def plan(*specs, protocols="knn", method="their-method", data="digits"):
    """Plan a run on digits."""
    asked = ("backbone.name=micro-cnn", f"protocols=[{protocols}]")
    return planned(*asked, method=method, catalog=catalog_with(*specs), data=data)


def plan_pairs(used):
    """Plan a run on samples that have an image and a profile."""
    catalog = catalog_with(method(used), modules=(data, parts))
    asked = ("backbones.image.name=toy-mean", "backbones.profile.name=toy-mean", "protocols=[knn]")
    return planned(*asked, method="their-method", catalog=catalog, data="toy-pairs")


def teacher(name="micro-cnn", **fields):
    return Dependency(**{"kind": "backbone", "name": name, **fields})


REFUSED = {
    "a method cannot use a component of kind 'study'. Possible: backbone, method": teacher("smoke", kind="study"),
    "a method cannot use a component of kind 'dataset'. Possible: backbone, method": teacher("digits", kind="dataset"),
    "a method cannot use a component of kind 'teacher'. Possible: backbone, method": teacher(kind="teacher"),
    "backbone 'micro-cn' is not installed. Did you mean 'micro-cnn'?": teacher("micro-cn"),
    "the run encodes no modality 'imag', only 'image' (layout image). Did you mean 'image'?": teacher(modality="imag"),
    "size=-8 is not a number of pixels. Set it to 1 or more, or to 0 for the size of the views": teacher(size=-8),
    "'vit_tiny_patch16_224' has patches of 16 px, which do not divide images of 30 px": teacher("vit_tiny_patch16_224", size=30),
    "'micro-cnn' does not provide tokens; it provides: any-size, depth, drop-path": teacher(requires=frozenset({"tokens"})),
    "'their-method' states 'micro-cnn', not a Dependency. Correct its dependencies()": "micro-cnn",
    "'pretrained' is a method, which needs a backbone. Set Dependency.backbone": teacher("pretrained", kind="method"),
    "'simclr' is trained. Use a backbone, or a method that only loads weights": teacher("simclr", kind="method", backbone=LITE),
    "'raw-features' takes no backbone. Use a backbone, or": teacher("raw-features", kind="method", backbone=LITE),
    "backbone is for methods, and 'micro-cnn' is a backbone. Remove it": teacher(backbone=LITE),
    "backbone states more than the name and the settings of a backbone": teacher(
        "pretrained", kind="method", backbone=replace(LITE, size=8)
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", list(REFUSED))
def test_what_cannot_be_used_is_one_message_of_the_plan(message):
    with pytest.raises(RequestError) as refused:
        plan(method(REFUSED[message]))
    (problem,) = refused.value.problems
    assert problem.startswith(f"method.dependencies.teacher: {message}"), problem


def test_a_protocol_may_name_a_modality_that_is_not_encoded():
    """It states a size where the samples of that modality differ in theirs; a method sees encoded modalities alone."""
    asked = ("backbones.profile.name=profile-cnn", "protocols=[their-protocol]", "recipe=none", "data.samples=5")

    def find_problems(*specs, method="random-init"):
        with pytest.raises(RequestError) as refused:
            planned(*asked, method=method, catalog=catalog_with(*specs), data="pulse-pairs/lab")
        return refused.value.problems

    def protocols(**fields):
        return protocol(teacher(modality="image", **fields))

    planned(*asked, method="random-init", catalog=catalog_with(protocols(size=16)), data="pulse-pairs/lab")
    (said,) = find_problems(method(teacher(modality="image")), protocols(size=16), method="their-method")
    assert "method.dependencies.teacher: the run encodes no modality 'image', only 'profile'" in said
    (said,) = find_problems(protocols())
    assert said.endswith("teacher: 'image' varies in size. State the size of the Dependency in pixels")


def test_settings_of_what_is_used_have_their_path():
    wrong = teacher(settings={"wdths": 3, "blocks": 0})
    with pytest.raises(RequestError) as refused:
        plan(method(wrong), protocol(wrong), protocols="their-protocol")
    said = refused.value.problems
    for path in ("method.dependencies.teacher", "protocol_settings.their-protocol.dependencies.teacher"):
        assert any(one.startswith(f"{path}.wdths: no such setting") for one in said), said
        assert any(one.startswith(f"{path}.blocks=0: must be 1 or more") for one in said), said


def test_a_method_that_is_used_has_the_path_of_its_backbone():
    used = teacher("pretrained", kind="method", settings={"match": 2}, backbone=teacher("resnet10"))
    with pytest.raises(RequestError) as refused:
        plan(method(used))
    said = "\n".join(refused.value.problems)
    assert "method.dependencies.teacher.match=2: must be" in said
    assert "method.dependencies.teacher.backbone: backbone 'resnet10' is not installed" in said


def test_an_encoder_must_take_a_layout_of_the_run_and_only_one():
    """The samples have an image and a profile; the encoder takes either, or neither."""
    said = []
    for used in (teacher("toy-mean"), teacher(modality="profile"), teacher("toy-mean", modality="profile", size=8)):
        with pytest.raises(RequestError) as refused:
            plan_pairs(used)
        said += refused.value.problems
    assert said == [
        "method.dependencies.teacher: 'toy-mean' takes 'image' and 'profile'. State one of them as modality of the Dependency",
        "method.dependencies.teacher: 'micro-cnn' takes image, but 'profile' has layout sequence. Choose another backbone",
        "method.dependencies.teacher: size=8: 'profile' has no size in pixels. Remove it from the Dependency",
    ]
    plan_pairs(teacher(size=48))


def test_keys_contain_what_is_used_and_how():
    first, other, sized = (
        stage_keys(plan(method(teacher(**one)))) for one in ({}, {"settings": {"blocks": 2}}, {"size": 16})
    )
    assert len({first["pretrain"], other["pretrain"], sized["pretrain"]}) == 3
    asked = "their-protocol"
    one, two, again = (
        stage_keys(plan(protocol(teacher(size=size)), method="random-init", protocols=asked)) for size in (8, 16, 8)
    )
    assert one == again
    assert one["extract"] == two["extract"]
    assert one["evaluate"] != two["evaluate"]


def test_a_dataset_that_uses_itself_is_an_error():
    """Two datasets use each other."""
    specs = [
        DatasetSpec(
            name=name, **KNOWN, config=NoConfig, smoke=NoConfig(),
            card=DatasetCard(license="MIT", citation=CITATION, source="s", obtain="o"), dependencies=uses(teacher(other, kind="dataset")),
        )
        for name, other in (("their-a", "their-b"), ("their-b", "their-a"))
    ]  # fmt: skip
    with pytest.raises(RequestError) as refused:
        plan(*specs, method="random-init", data="their-a")
    cycle = "data.dependencies.teacher.dependencies.teacher: 'their-a' uses itself: 'their-a' -> 'their-b' -> 'their-a'"
    assert refused.value.problems[0].startswith(f"{cycle}. Remove one of these uses")


def test_a_modality_of_a_dataset_that_is_used_is_an_error():
    card = DatasetCard(license="MIT", citation=CITATION, source="s", obtain="o")
    used = teacher("digits", kind="dataset", modality="image")
    spec = DatasetSpec(name="their-a", **KNOWN, config=NoConfig, smoke=NoConfig(), card=card, dependencies=uses(used))
    with pytest.raises(
        RequestError, match=r"modality, size and requires are for encoders, and 'digits' is a dataset. Remove them"
    ):
        plan(spec, method="random-init", data="their-a")
