"""Views are keyed by sample and by the name of each operation: neither the batch nor other operations change them."""

from __future__ import annotations

import pytest
import torch

from sslbench.api import Modality, Role
from sslbench.data.views import BuiltAugmentation, BuiltOperation, ViewMaker

IMAGE = Modality(layout="image", shape=(3, 8, 8))
ROWS = 16


def shift(view, draws):
    """Add one number per sample."""
    return {**view, "image": view["image"] + draws.uniform("shift", 1, 1, 1)}


def turn(view, draws):
    """Flip half of the samples, which does not commute with `weigh`."""
    chosen = (draws.uniform("turn") < 0.5).view(-1, 1, 1, 1)
    return {**view, "image": torch.where(chosen, view["image"].flip(3), view["image"])}


def weigh(view, draws):
    """Multiply each pixel by its own number."""
    return {**view, "image": view["image"] * draws.uniform("weigh", *view["image"].shape[1:])}


OPERATIONS = {
    "shift": BuiltOperation(name="shift", p=(1.0,), operation=shift),
    "turn": BuiltOperation(name="turn", p=(0.5,), operation=turn),
    "weigh": BuiltOperation(name="weigh", p=(0.8,), operation=weigh),
}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(ROWS, *IMAGE.shape, generator=torch.Generator().manual_seed(0))


def make_views(images: torch.Tensor, rows: torch.Tensor, *names: str, views: int = 1) -> list[torch.Tensor]:
    maker = ViewMaker(modalities={"image": IMAGE}, sizes={"image": (8, 8)}, seed=3)
    augmentation = BuiltAugmentation(name="set", weight=1.0, roles={"view": [OPERATIONS[name] for name in names]})
    made = maker.make({"image": images}, rows, 1, augmentation, {"view": Role(count=views)})["view"]
    return [view["image"] for view in made]


def test_a_sample_gets_the_same_view_in_any_batch(images):
    complete = make_views(images, torch.arange(ROWS), *OPERATIONS, views=2)
    order = torch.tensor([9, 3, 12])
    few = make_views(images[order], order, *OPERATIONS, views=2)
    for one, other in zip(complete, few, strict=True):
        torch.testing.assert_close(one[order], other)
    assert not torch.allclose(*complete)


def test_leaving_an_operation_out_leaves_the_random_numbers_of_the_others(images):
    rows = torch.arange(ROWS)
    (everything,) = make_views(images, rows, "shift", "turn", "weigh")
    (without,) = make_views(images, rows, "turn", "weigh")
    (shifted,) = make_views(images, rows, "shift")
    (expected,) = make_views(shifted, rows, "turn", "weigh")
    torch.testing.assert_close(everything, expected)
    assert not torch.allclose(everything, without)
