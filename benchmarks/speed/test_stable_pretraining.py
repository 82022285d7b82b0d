"""Compare Barlow Twins with stable-pretraining, whose augmentation also runs on the device.

On a GPU the published case (ViT-S/16 at 224 px) runs; on a CPU a small one, so that the comparison is always tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from sslbench.environment import count_cores

from .conftest import State, median_time_ratio
from .figures import Figure
from .harness import epoch, feed_of, method_of, noise, plan_for

spt = pytest.importorskip("stable_pretraining", reason="the extra `peers` is not installed", exc_type=ImportError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A timm ViT, its images, batch and steps, and the projector's width."""

    backbone: str
    side: int
    batch: int
    steps: int
    projector: int


PUBLISHED = Case(backbone="vit_small_patch16_224", side=224, batch=256, steps=20, projector=8192)
SMALL = Case(backbone="vit_tiny_patch16_224", side=64, batch=64, steps=4, projector=512)


class Theirs:
    """Stable-pretraining's model, loss and batched augmentation at the settings of Barlow Twins, without its trainer."""

    def __init__(self, case: Case, batch_images: torch.Tensor, device: torch.device) -> None:
        from stable_pretraining.backbone import from_timm
        from stable_pretraining.data import gpu_transforms as gpu
        from stable_pretraining.methods import BarlowTwins

        encoder = from_timm(case.backbone, num_classes=0, dynamic_img_size=True)
        self.model = BarlowTwins(encoder, projector_dims=(case.projector,) * 3).to(device)
        chain = gpu.GPUCompose([
            gpu.GPURandomResizedCrop(case.side), gpu.GPURandomHorizontalFlip(),
            gpu.GPUColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8), gpu.GPURandomGrayscale(p=0.2),
            gpu.GPUGaussianBlur(kernel_size=case.side // 10 | 1, p=0.5), gpu.GPURandomSolarize(p=0.1),
            gpu.GPUNormalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ])  # fmt: skip
        self.views, self.device = gpu.StackedMultiView(chain).to(device), device
        self.loader = DataLoader(
            TensorDataset(batch_images), case.batch, shuffle=True, drop_last=True, pin_memory=device.type == "cuda",
            num_workers=min(8, count_cores()), persistent_workers=True,
        )  # fmt: skip
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)

    def epoch(self) -> None:
        """Train on every image twice, in bfloat16."""
        for (batch_images,) in self.loader:
            images = batch_images.to(self.device, non_blocking=True).float().div_(255)
            first, second = (view["image"] for view in self.views({"image": images})["views"])
            with torch.autocast(self.device.type, torch.bfloat16):
                loss = self.model(first, second).loss
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def test_barlow_twins_against_stable_pretraining(benchmark, state: State):
    """Train on uint8 images in memory: views, forward, backward and step."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    case = PUBLISHED if device.type == "cuda" else SMALL
    rows = case.batch * case.steps
    request = {
        "method": {"name": "barlow-twins", "hidden": case.projector, "out": case.projector},
        "data": {"name": "factor-shapes"},
    }
    plan = plan_for(
        request, "recipe=none", "augmentation.name=byol", f"backbone.name={case.backbone}", f"view.size={case.side}",
        f"train.batch_size={case.batch}", "train.optimizer=adamw", "train.precision=bfloat16",
    )  # fmt: skip
    pool = noise(plan, rows, case.side)
    batch_images = torch.from_numpy(pool.read(pool.members[0][1])["image"])
    theirs, feed, method = Theirs(case, batch_images, device), feed_of(plan, pool), method_of(plan, rows)

    def ours() -> None:
        epoch(plan, method, feed)

    gain = median_time_ratio(theirs.epoch, ours, 3)
    seconds = benchmark.pedantic(lambda: ours(), rounds=1) or benchmark.stats.stats.min
    what = f"Barlow Twins, {case.backbone}, {case.side} px, batch {case.batch}"
    note = f"{rows / seconds:,.0f} images a second"
    state(
        Figure(
            what=what, against="stable-pretraining, augmentation on the device", found=gain, aim=1, unit="x", note=note
        )
    )
