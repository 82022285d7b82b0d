"""Requests: strict types, layers in order, and every problem at once with its dotted path."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslbench.api import Recipe
from sslbench.api.errors import DataMissing, RequestError
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.request import read_request, with_recipe
from sslbench.convert import convert, to_plain
from sslbench.data.key_form import to_key_form
from sslbench.environment import places
from sslbench.report.console.component_description import show_lines
from sslbench.study.measure import shrink_plan

CATALOG = discover(installed_entries())
MACHINE = Machine(threads=2, precision="float32")


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Everything:
    flag: bool = False
    count: int = 1
    share: float = 0.5
    name: str = "x"
    pair: tuple[float, float] = (0.0, 1.0)
    many: tuple[int, ...] = ()
    kind: Literal["a", "b", 3] = "a"
    either: float | Literal["edge"] = 0.0
    maybe: int | None = None
    where: Path | None = None
    table: Mapping[str, int] = dataclasses.field(default_factory=dict)
    color: Color = Color.RED
    inner: Inner = Inner()


def converted(**values):
    problems: list[str] = []
    return convert(values, Everything, "x", problems), problems


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"flag": 1}, "x.flag=1: must be true or false"),
        ({"count": True}, "x.count=true: must be a whole number"),
        ({"count": 2.0}, "x.count=2.0: must be a whole number"),
        ({"share": float("nan")}, "x.share=nan: must be a finite number"),
        ({"share": "0.5"}, "x.share='0.5': must be a number"),
        ({"pair": [1, 2, 3]}, "x.pair=[1,2,3]: must be a list of 2 values"),
        ({"pair": 1.0}, "x.pair=1.0: must be a list"),
        ({"many": [1, "2"]}, "x.many=[1,'2']: '2' must be a whole number"),
        ({"kind": "c"}, "x.kind=c: must be one of 'a', 'b', 3"),
        ({"color": "GREEN"}, "x.color=GREEN: must be one of 'RED', 'BLUE'"),
        ({"table": [1]}, "x.table=[1]: must be settings by name"),
        ({"inner": {"dept": 2}}, "x.inner.dept: no such setting. Did you mean 'x.inner.depth'? Available: depth"),
        ({"inner": 3}, "x.inner=3: must be settings by name"),
        ({"nmae": "y"}, "x.nmae: no such setting. Did you mean 'x.name'?"),
    ],
)
def test_a_value_of_another_type_is_refused(values, sentence):
    _, problems = converted(**values)
    assert len(problems) == 1
    assert problems[0].startswith(sentence)


def test_a_value_of_the_right_type_is_converted():
    value, problems = converted(
        share=1, pair=[0, 2], many=[1, 2], kind=3, either="edge", maybe=None, where="a/b", table={"a": 1},
        color="BLUE", inner={"depth": 4},
    )  # fmt: skip
    assert problems == []
    assert value == Everything(
        share=1.0, pair=(0.0, 2.0), many=(1, 2), kind=3, either="edge", where=Path("a/b"), table={"a": 1},
        color=Color.BLUE, inner=Inner(depth=4),
    )  # fmt: skip
    assert isinstance(value.share, float)


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.integers(), max_size=4), st.text())
def test_plain_and_back_is_the_same(count, share, many, name):
    value = Everything(count=count, share=share, many=tuple(many), name=name, maybe=count)
    assert converted(**to_plain(value)) == (value, [])


def test_a_path_enters_a_key_by_its_content(tmp_path):
    file = tmp_path / "weights"
    file.write_text("one")
    first = to_key_form(Everything(where=file))
    (tmp_path / "copy").write_text("one")
    assert to_key_form(Everything(where=tmp_path / "copy")) == first
    file.write_text("two")
    assert to_key_form(Everything(where=file)) != first


def planned(*overrides: str, file: Path | None = None, **options):
    tree = read_request(file, {"method": {"name": "mae"}, "data": {"name": "digits"}, **options}, overrides)
    return make_plan(tree, CATALOG, DatasetCache(places()), MACHINE)


def problems_of(*overrides: str, **options) -> list[str]:
    with pytest.raises(RequestError) as raised:
        planned(*overrides, **options)
    return list(raised.value.problems)


def test_layers_win_in_order(tmp_path):
    assert planned().recipe == "tiny"
    assert planned("view.size=64").recipe == "quick"
    assert planned().train.epochs == 40
    assert planned("recipe=none", "backbone.name=micro-vit", "augmentation.name=crop").train.epochs == 100
    file = tmp_path / "request.yaml"
    file.write_text("train: {epochs: 7, batch_size: 32}\nmethod: {mask: 0.5}\n")
    plan = planned("train.epochs=3", file=file)
    assert (plan.train.epochs, plan.train.batch_size, plan.method.config.mask) == (3, 32, 0.5)
    assert plan.method.config.decoder_depth == 2  # the recipe's, below the file


def test_steps_are_as_many_whole_epochs_as_come_nearest():
    train = planned("train.steps=1000", "train.epochs=40", "train.warmup_epochs=4").train
    assert train.with_epochs(30).epochs == 33
    assert train.with_epochs(30).warmup_epochs == pytest.approx(3.3)
    assert train.with_epochs(5000).epochs == 1
    assert planned("train.epochs=7").train.with_epochs(30).epochs == 7
    assert (
        shrink_plan(planned("train.steps=1000000")).train.with_epochs(1).epochs <= 2
    )  # a plan's cost is of a few steps


def test_a_recipe_for_a_method_of_another_plugin(tmp_path):
    from PIL import Image

    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("L", (9, 7)).save(tmp_path / name / "1.png")
    mine = ("data.name=plankton-folder", f"data.root={tmp_path}")
    small = planned(*mine)
    assert (small.recipe, small.backbones["image"].name, small.view) == ("plankton-mae-small", "micro-vit", 8)
    finetune = next(p.config for p in small.protocols if p.name == "finetune")
    assert (finetune.epochs, finetune.lr, finetune.batch_size, finetune.warmup_epochs) == (50, 2e-3, 128, 5)
    large = planned(*mine, "view.size=224")
    assert (large.recipe, large.train.batch_size, large.train.epochs) == ("plankton-mae", 4096, 800)
    assert planned("recipe=plankton-mae-small").recipe == "plankton-mae-small"  # by its name for any data
    assert planned().recipe == "tiny"
    assert "Available: auto, none, original, plankton-mae, plankton-mae-small, quick, tiny" in "\n".join(
        problems_of("recipe=xyzzy")
    )
    shown = "\n".join(show_lines(CATALOG, "method", "mae"))
    assert "recipe plankton-mae: " in shown
    assert "for method mae; recipe=auto selects it for: daplankton, plankton-folder" in "\n".join(
        show_lines(CATALOG, "recipe", "plankton-mae")
    )


def test_another_backbone_or_augmentation_drops_the_recipes_settings_below_it():
    recipe = Recipe(
        name="r",
        summary="s",
        settings={
            "backbone.name": "wide",
            "backbone.width": 9,
            "augmentation.name": "crop",
            "augmentation.crop.p": 0.5,
            "train.lr": 1.0,
        },
    )
    kept = with_recipe({"backbone": {"name": "wide"}}, recipe)
    assert kept["backbone"] == {"name": "wide", "width": 9}
    assert kept["augmentation"] == {"name": "crop", "crop": {"p": 0.5}}
    dropped = with_recipe(
        {"backbone": {"name": "deep"}, "augmentation": {"name": "flip"}, "train": {"lr": 2.0}}, recipe
    )
    assert dropped == {"backbone": {"name": "deep"}, "augmentation": {"name": "flip"}, "train": {"lr": 2.0}}


def test_all_problems_at_once():
    found = problems_of(
        "method.msak=0.5", "train.epochs=0", "train.lr=fast", "augmentation.cropp.scale=[0.1,1]",
        "augmentation.name=crop-flip", "augmentation.crop.scale=0.5", "augmentation.flip.p=2", "backbone.name=micro-cnn", "protocol_settings.knn.neighbor=[1]",
        "protocols=[knn,liner]", "seeds=[1,1]", "folds=9", "view.size=x",
        "modalities=3",
    )  # fmt: skip
    text = "\n".join(found)
    for sentence in (
        "method.msak: no such setting. Did you mean 'method.mask'?",
        "train.epochs=0: must be 1 or more",
        "train.lr=fast: must be a number",
        "augmentation.cropp: 'crop-flip' has no such operation. Did you mean 'crop'?",
        "augmentation.crop.scale=0.5: must be a list",
        "augmentation.flip.p=2: is not a probability",
        "backbone: 'micro-cnn' does not provide tokens, which 'mae' needs; it provides: any-size, depth, drop-path",
        "protocol_settings.knn.neighbor: no such setting. Did you mean 'protocol_settings.knn.neighbors'?",
        "protocols: protocol 'liner' is not installed. Did you mean 'linear'?",
        "seeds=[1, 1]: expected different whole numbers",
        "folds=9: expected all, or whole numbers from 0 to 4",
        "view.size=x: must be a whole number",
        "modalities=3: must be settings by name",
    ):
        assert sentence in text
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["methd=mae"], "methd: no such setting. Did you mean 'method'?"),
        (["train.epochs"], "'train.epochs': expected key=value, such as train.epochs=20"),
        (["recipe=slow"], "recipe: 'mae' has no recipe 'slow'"),
        (["data.name=digitz"], "data: dataset 'digitz' is not installed. Did you mean 'digits'?"),
        (["data.name=daplankton/lake"], "data: 'daplankton' has no part 'lake'. Available: lab/cs, lab/fc"),
        (["method.name=maee"], "method: method 'maee' is not installed. Did you mean 'mae'?"),
        (["backbone.patch=3"], "backbone.patch=3: does not divide images of 8 px"),
        (["augmentation.name=crop:much"], "augmentation: weight 'much' is not a number"),
        (["augmentation.roles.local.crop.size=4"], "augmentation.roles.local: the method has no such role"),
        (["train.epochs=${oc.env:HOME}"], "request: Unsupported interpolation type oc.env"),
        (["modalities.profile.facts=[]"], "modalities.profile: the data has no such modality. Available: image"),
        (["splits.group_gap=60"], "splits.group_gap=60: has no effect without splits.groups. Set it to a column"),
        (
            ["splits.label_fractions=[0.1,0.1]"],
            "splits.label_fractions=[0.1,0.1]: must be a list of any number of values, all different",
        ),
        (["splits.label_fractions=[2.0]"], "splits.label_fractions=[2.0]: 2.0 must be above 0, at most 1"),
        (["splits.groups=id", "splits.group_gap=-1"], "splits.group_gap=-1: must be 0 or more"),
        (
            ["protocol_settings=knn"],
            "protocol_settings=knn: must be settings by name (settings of each protocol); write protocol_settings.knn.",
        ),
        (["train=5"], "train=5: must be settings by name"),
        (["protocol_settings.knn=7"], "protocol_settings.knn=7: must be settings by name"),
        (["data=[digits]"], "data=[digits]: must be settings by name"),
        (["method.name=5"], "method.name=5: must be text"),
        (["protocols=5"], "protocols: protocol '5' is not installed"),
        (["threads=x"], "threads=x: must be a whole number"),
        (["threads=-1"], "threads=-1: must be 0 or more"),
        (["prepare.size=-1"], "prepare.size=-1: must be 0 or more"),
        (["view.size=-1"], "view.size=-1: must be 0 or more"),
        (["train.steps=-1"], "train.steps=-1: must be 0 or more"),
        (
            ["train.steps=100", "train.eval_epochs=[1]"],
            "train.eval_epochs=[1]: cannot be combined with train.steps",
        ),
        (
            ["splits.groups=none", "splits.group_gap=60"],
            "splits.group_gap=60: has no effect without splits.groups. Set it to a column",
        ),
        (
            ["prepare.sampling=balanced"],
            "prepare.sampling=balanced: has no effect without prepare.samples. Set prepare.samples",
        ),
        (
            ["splits.bank=SPC"],
            "splits.bank=SPC: has no effect without splits.transfer. Set it to the column that contains 'SPC'",
        ),
        (["backbones.sound.name=micro-vit"], "backbones.sound: the data has no such modality"),
    ],
)
def test_each_mistake_has_its_own_message(overrides, sentence):
    with pytest.raises(RequestError) as raised:
        planned(*overrides)
    assert any(line.startswith(sentence) for line in raised.value.problems), raised.value.problems


ODD = ("x", "5", "-1", "[a]", "[1]", "{a: 1}", "null", "true", "''", "[]", "{}")
KEYS = (
    "train", "train.batch_size", "view", "prepare", "splits", "splits.label_fractions", "pretrain", "pretrain.settings", "data",
    "data.root", "modalities", "modalities.image", "backbones", "backbones.image", "backbone", "backbone.name", "protocols",
    "protocol_settings.knn", "protocol_settings.knn.k", "augmentation", "augmentation.name", "augmentation.crop", "protocols", "method",
    "method.name", "folds", "seeds", "recipe", "threads", "baselines", "evaluate",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_any_value_at_any_key_gives_a_plan_or_an_error(key):
    for value in ODD:
        with contextlib.suppress(RequestError, DataMissing):
            planned(f"{key}={value}")


def test_files_that_are_no_requests(tmp_path):
    broken, listed = tmp_path / "broken.yaml", tmp_path / "list.yaml"
    broken.write_text("train: {epochs: 3")
    listed.write_text("- 1\n- 2\n")
    for file, sentence in (
        (broken, "cannot be read as YAML"),
        (listed, "contains no settings"),
        (tmp_path / "absent.yaml", "cannot be read as YAML"),
    ):
        with pytest.raises(RequestError, match=sentence):
            planned(file=file)


def test_a_backbone_that_is_named_for_a_modality_keeps_its_name_with_its_settings():
    tree = read_request(None, {"backbones": {"image": "micro-cnn"}}, ["backbones.image.widths=[4,8]"])
    assert tree["backbones"] == {"image": {"name": "micro-cnn", "widths": [4, 8]}}


def test_missing_data_alone_is_missing_data():
    with pytest.raises(DataMissing) as raised:
        planned("data.name=daplankton")
    message = str(raised.value)
    for piece in ("looked in", "DAPlankton.zip", "Etsin", "data.root=FOLDER", "SSLBENCH_SOURCES", "--dataset digits"):
        assert piece in message
    assert len(message.splitlines()) == 1
    assert any("train.epochs" in line for line in problems_of("data.name=daplankton", "train.epochs=0"))


def test_one_key_of_one_role_can_be_overridden():
    plan = planned("augmentation.crop.scale=[0.5,1.0]", "augmentation.roles.view.crop.scale=[0.9,1.0]")
    assert plan.augmentations[0].roles["view"][0].choice.config.scale == (0.9, 1.0)


def test_weighted_augmentation_sets():
    plan = planned("augmentation.name=crop:0.4+crop-flip:1.0")
    assert [(a.name, a.weight) for a in plan.augmentations] == [("crop", 0.4), ("crop-flip", 1.0)]


@pytest.mark.parametrize(("method", "recipe"), [(c.name, r) for c in CATALOG.all("method") for r in c.spec.recipes])
def test_every_recipe_of_every_method_makes_a_plan(method, recipe):
    """On a dataset as its card announces it; a recipe without a backbone leaves that to the request."""
    request = {"method": {"name": method}, "data": {"name": "cifar10"}}
    modalities, backbone = CATALOG.find("method", method)[0].spec.modalities[0], recipe.settings.get("backbone.name")
    if backbone and CATALOG.find("backbone", backbone)[0].spec.layouts == {"vector"}:
        request["data"] = {"name": "synthetic-crops/pairs"}
        request["backbones"] = {name: {"name": backbone} for name in ("step-a", "step-b")[:modalities]}
    elif modalities == 2:
        request["data"] = {"name": "cytosense"}
        request["backbones"] = {"image": {"name": "micro-cnn"}, "profile": {"name": "profile-cnn"}}
    elif "backbone.name" not in recipe.settings:
        request["backbone"] = {"name": "micro-cnn"}
    tree = read_request(None, request, [f"recipe={recipe.name}"])
    plan = make_plan(tree, CATALOG, DatasetCache(places(), use_placeholders=True), MACHINE)
    assert plan.recipe == recipe.name
