"""Compare whole trainings with LightlySSL's transform, loader, modules and loss at their defaults, on two cores.

Its examples train in float32; a second figure runs its step under autocast, as ours. Its workers persist between
epochs, so that no start-up time counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from .conftest import State, median_time_ratio
from .figures import Figure
from .harness import CachedFeed, epoch, feed_of, from_files, method_of, noise, plan_for

pytest.importorskip("lightly")

CORES = 2


class Images(Dataset):  # type: ignore[type-arg]
    """A dataset that opens and transforms images one by one, as in LightlySSL's examples."""

    def __init__(self, open_image: Callable[[int], Image.Image], count: int, transform: Callable[..., object]) -> None:
        self.open_image, self.count, self.transform = open_image, count, transform

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> object:
        return self.transform(self.open_image(index).convert("RGB"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Theirs:
    """A training as in the examples: loader, model, loss of a batch of views, and optimizer."""

    loader: DataLoader  # type: ignore[type-arg]
    model: nn.Module
    loss: Callable[[Sequence[Tensor]], Tensor]

    def epoch(self, precision: torch.dtype) -> None:
        """Train one pass over the loader; the examples use float32."""
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.06)
        for views in self.loader:
            optimizer.zero_grad()
            with torch.autocast("cpu", precision, enabled=precision != torch.float32):
                loss = self.loss(views)
            loss.backward()
            optimizer.step()


def compare(state: State, what: str, theirs: Theirs, ours: Callable[[], object], aim: float, precision: str) -> None:
    """Record the gain over the peer in the precision of its examples, and in ours."""
    for own, wanted in {"float32": aim, **({} if precision == "float32" else {precision: None})}.items():
        gain = median_time_ratio(partial(theirs.epoch, getattr(torch, own)), ours, 2)
        against = f"LightlySSL, end to end, {'as its examples' if own == 'float32' else 'under autocast'} ({own})"
        state(Figure(what=what, against=against, found=gain, aim=wanted, unit="x", note=f"ours in {precision}"))


def loader_of(data: Dataset, batch: int) -> DataLoader:  # type: ignore[type-arg]
    return DataLoader(data, batch_size=batch, shuffle=True, drop_last=True, num_workers=CORES, persistent_workers=True)


def test_simclr_against_lightly(benchmark, state: State):
    """Train ResNet-18 at 32 px, batch 256, on 4,096 images like CIFAR-10's, with the same projector."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform

    rows, batch, side = 4096, 256, 32
    arrays = np.random.default_rng(0).integers(0, 256, (rows, side, side, 3), dtype=np.uint8)
    loader = loader_of(Images(lambda i: Image.fromarray(arrays[i]), rows, SimCLRTransform(input_size=side)), batch)
    encoder = nn.Sequential(*list(torchvision.models.resnet18().children())[:-1], nn.Flatten())
    model = nn.Sequential(encoder, SimCLRProjectionHead(512, 512, 128))
    criterion = NTXentLoss()
    theirs = Theirs(loader=loader, model=model, loss=lambda views: criterion(model(views[0]), model(views[1])))
    head = {"hidden": 512, "out": 128, "batch_norm": True}
    request = {"method": {"name": "simclr", **head}, "data": {"name": "factor-shapes"}}
    plan = plan_for(
        request, "recipe=none", f"view.size={side}", "prepare.size=32", f"train.batch_size={batch}",
        "augmentation.name=simclr", "backbone.name=torchvision-resnet18", "backbone.stem=standard",
    )  # fmt: skip
    feed, method = feed_of(plan, noise(plan, rows, side)), method_of(plan, rows)
    what = "SimCLR, ResNet-18, 32 px, batch 256, end to end"
    compare(state, what, theirs, lambda: epoch(plan, method, feed), 1.6, plan.train.precision)
    benchmark.pedantic(epoch, args=(plan, method, feed), rounds=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Write 256 smooth JPEG files of 320 x 256 pixels, similar in size to photographs."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(256):
        coarse = rng.integers(0, 256, (20, 25, 3), dtype=np.uint8)
        place = folder / f"kind{number % 2}"
        place.mkdir(exist_ok=True)
        Image.fromarray(coarse).resize((320, 256), Image.Resampling.BICUBIC).save(
            place / f"{number:03d}.jpg", quality=90
        )
    return folder


class LightlyMae(nn.Module):
    """LightlySSL's masked encoder and decoder at their defaults, with timm's ViT-Tiny."""

    def __init__(self) -> None:
        from lightly.models.modules import MAEDecoderTIMM, MaskedVisionTransformerTIMM
        from timm import create_model

        super().__init__()
        vit = create_model("vit_tiny_patch16_224", num_classes=0)
        self.backbone = MaskedVisionTransformerTIMM(vit=vit)
        self.length, self.patch = self.backbone.sequence_length, vit.patch_embed.patch_size[0]
        self.decoder = MAEDecoderTIMM(
            num_patches=vit.patch_embed.num_patches, patch_size=self.patch, embed_dim=vit.embed_dim
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean squared error of masked patches of [B, 3, 224, 224]."""
        from lightly.models import utils

        size = (len(images), self.length)
        visible, masked = utils.random_token_mask(size=size, mask_ratio=0.75, device=images.device)
        encoded = self.decoder.embed(self.backbone.encode(images=images, idx_keep=visible))
        tokens = utils.repeat_token(self.decoder.mask_token, size)
        tokens = utils.set_at_index(tokens, visible, encoded.type_as(tokens))
        rebuilt = self.decoder.predict(utils.get_at_index(self.decoder.decode(tokens), masked))
        target = utils.get_at_index(utils.patchify(images, self.patch), masked - 1)
        return nn.functional.mse_loss(rebuilt, target)


def test_mae_from_files_against_lightly(benchmark, state: State, files, tmp_path):
    """Train ViT-T/16 at 224 px, mask 0.75, decoder of 8 blocks and width 512.

    Ours reads the files once; later epochs read memory.
    """
    from lightly.transforms import MAETransform

    batch, paths = 64, sorted(files.glob("*/*.jpg"))
    loader = loader_of(Images(lambda i: Image.open(paths[i]), len(paths), MAETransform()), batch)
    model = LightlyMae()
    theirs = Theirs(loader=loader, model=model, loss=lambda views: model(views[0]))
    request = {"method": {"name": "mae"}, "data": {"name": "image-folder", "root": str(files)}}
    plan = plan_for(
        request, "recipe=none", "view.size=224", f"train.batch_size={batch}", "augmentation.name=crop-flip",
        "backbone.name=vit_tiny_patch16_224",
    )  # fmt: skip
    began = time.perf_counter()
    pool = from_files(plan, tmp_path / "prepared")
    reading = time.perf_counter() - began
    feed, method = feed_of(plan, pool), method_of(plan, len(pool))
    what = "MAE, ViT-T/16, 224 px, from image files, second epoch and later"
    compare(state, what, theirs, lambda: epoch(plan, method, feed), 2, plan.train.precision)
    ready = CachedFeed(feed)
    busy = median_time_ratio(lambda: epoch(plan, method, ready), lambda: epoch(plan, method, feed), 2)
    began = time.perf_counter()
    benchmark.pedantic(epoch, args=(plan, method, feed), rounds=1)
    later = time.perf_counter() - began
    note = (
        f"{len(paths)} files, which fit in memory; they are read once, before the first epoch, in {reading / later:.2f} of "
        "the time of one"
    )
    state(Figure(what=what, against="the same steps on ready tensors", found=busy, aim=0.95, note=note))
