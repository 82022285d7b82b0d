"""A plugin's methods with a mask token and with places of views, on real images, with 0 lines in the core."""

from __future__ import annotations

import json

import pytest

from sslbench import load_results
from tests.installed_plugin import install_plugin

SPECS = '''
from dataclasses import dataclass

from sslbench.api import Citation, MethodSpec, Role, Share, hookimpl, setting

CITATION = Citation(title="Dense", authors="They", year=2026, url="https://example.org")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedConfig:
    """Settings."""

    share: Share = setting(0.5, "Fraction of masked patches.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseConfig:
    """Settings."""

    distance: Share = setting(0.2, "Largest distance of matching places, as a fraction of the image.")


@hookimpl
def sslbench_methods():
    yield MethodSpec(
        name="their-masked", version=1, summary="predict masked patches", citation=CITATION, config=MaskedConfig,
        smoke=MaskedConfig(), build="their_dense_model:Masked", views=lambda config: {"view": Role(count=1)},
        family="theirs", requires=frozenset({"masked-tokens"}),
    )
    yield MethodSpec(
        name="their-dense", version=1, summary="agree on the same places", citation=CITATION, config=DenseConfig,
        smoke=DenseConfig(), build="their_dense_model:Dense", views=lambda config: {"view": Role(count=2)},
        family="theirs", requires=frozenset({"maps"}), needs_places=True, compares_views=True,
    )
'''
MODEL = '''
import torch
from torch import nn

from sslbench.api import Loss
from sslbench.api.modules import TrainedMethod
from sslbench.api.view_places import cell_centers, locate


class Masked(TrainedMethod):
    """Tokens of masked patches predict their pixels."""

    def __init__(self, config, parts):
        super().__init__()
        self.share = config.share
        ((self.modality, self.encoder),) = parts.encoders.items()
        self.patch = self.encoder.patch
        channels = parts.context.modalities[self.modality].channels
        self.mask_token = nn.Parameter(0.02 * torch.randn(self.encoder.patch_width))
        self.head = nn.Linear(self.encoder.width, channels * self.patch[0] * self.patch[1])

    @property
    def encoders(self):
        return {self.modality: self.encoder}

    def loss(self, batch, step):
        x = batch.views["view"][0][self.modality]
        pixels = nn.functional.unfold(x, self.patch, stride=self.patch).transpose(1, 2)
        mask = batch.random.uniform("mask", pixels.shape[1]) < self.share
        tokens = self.encoder.tokens(x, mask=mask, mask_token=self.mask_token)[:, self.encoder.prefix :]
        error = (self.head(tokens) - pixels).square().mean(-1)
        return Loss(total=(error * mask).sum() / mask.sum().clamp(min=1))


class Dense(TrainedMethod):
    """Cells of two views whose places are near have similar features, compared with those of other images."""

    def __init__(self, config, parts):
        super().__init__()
        self.distance = config.distance
        ((self.modality, self.encoder),) = parts.encoders.items()
        self.head = nn.Linear(self.encoder.map_widths[-1], 16)

    @property
    def encoders(self):
        return {self.modality: self.encoder}

    def loss(self, batch, step):
        cells, places = [], []
        for view in batch.views["view"]:
            (found,) = self.encoder.maps(view[self.modality])
            cells.append(nn.functional.normalize(self.head(found.flatten(2).transpose(1, 2)), dim=-1))
            places.append(locate(view, self.modality, cell_centers(*found.shape[2:]).to(found.device)))
        near = torch.cdist(*places)
        shared = near.amin(2) < self.distance
        mates = cells[1].gather(1, near.argmin(2).unsqueeze(-1).expand_as(cells[0]))
        same, other = (cells[0] * mates).sum(-1), (cells[0] * mates.roll(1, 0)).sum(-1)
        loss = nn.functional.softplus((other - same) / 0.2)
        matched = shared.float().mean()
        return Loss(total=(loss * shared).sum() / shared.sum().clamp(min=1), terms={"matched": matched.detach()})
'''
SETTINGS = (
    "recipe=none",
    "train.epochs=3",
    "train.batch_size=128",
    "backbone.width=32",
    "backbone.depth=2",
    "backbone.heads=2",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    environment = install_plugin(folder, "their_dense", SPECS)
    (folder / "their_dense_model.py").write_text(MODEL)
    return environment


def test_a_mask_token_and_places_of_views_work_in_a_plugin(cli, installed, tmp_path):
    answer = cli(
        "run", "--method", "their-masked,their-dense,random-init", "--dataset", "digits", "--backbone", "micro-vit",
        "--augmentation", "crop-flip", "--protocols", "knn", "--seeds", "0", "--baselines", "none", *SETTINGS,
        cwd=tmp_path, env=installed,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    results = load_results(tmp_path / "runs")
    scores = results.scores[results.scores["metric"] == "macro_accuracy"].groupby("method")["value"].max()
    assert set(scores.index) == {"their-masked", "their-dense", "random-init"}
    assert (scores > 0.2).all()
    for method in ("their-masked", "their-dense"):
        (record,) = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob(f"{method}-*/record.json")]
        losses = [epoch["loss"] for epoch in record["training"][0]["history"]]
        assert losses[-1] < losses[0]


def test_an_augmentation_that_loses_places_is_refused_before_anything_runs(cli, installed, tmp_path):
    answer = cli(
        "run", "--method", "their-dense", "--dataset", "digits", "--backbone", "micro-vit", "--augmentation", "digits",
        "--plan", cwd=tmp_path, env=installed,
    )  # fmt: skip
    assert answer.returncode == 2
    written = " ".join((answer.stdout + answer.stderr).split())
    assert (
        "augmentation.affine: moves pixels to places that it does not state, and 'their-dense' matches places. Set "
        "augmentation.affine.p=0, or choose another augmentation"
    ) in written
