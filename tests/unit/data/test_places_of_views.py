"""Facts about places of the views that augmentations make, on images whose values are their own coordinates."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sslbench.api import Modality, OperationSpec, Role
from sslbench.api.view_places import cell_centers, locate, whole_image_facts
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.augmentations import choose_augmentations
from sslbench.data.views import ViewMaker
from sslbench.testing.random_numbers import keyed_random
from sslbench.train.build import build_augmentation

CATALOG = discover(installed_entries())
SIDE, ROWS = 48, 24
IMAGE = Modality(layout="image", shape=(2, 32, 32))
WITHOUT_ROTATION = {"rotation": {"p": 0.0}, "jitter": {"p": 0.0}}


def coordinate_images() -> torch.Tensor:
    """Return images [B, 2, H, W]: each pixel's center (y, x), as fractions."""
    return cell_centers(SIDE, SIDE).T.reshape(2, SIDE, SIDE).expand(ROWS, -1, -1, -1)


def make_views(name: str, *, settings=None, squashed: bool = False, role: Role | None = None) -> list:
    problems: list[str] = []
    section = {"name": name, **(settings or {})}
    (planned,) = choose_augmentations(CATALOG, section, ("view",), problems)
    assert not problems
    built = build_augmentation(planned.reset_unused(32), {"image": IMAGE}, None)
    maker = ViewMaker(modalities={"image": IMAGE}, sizes={"image": (32, 32)}, seed=1)
    view = {"image": coordinate_images()}
    if squashed:
        view["image.aspect"] = torch.linspace(0.5, 2, ROWS)
    return list(maker.make(view, torch.arange(ROWS), 0, built, {"view": role or Role(count=2)})["view"])


def errors_inside(view, margin: int = 4) -> torch.Tensor:
    """Return differences of pixel values and places by the facts, away from the border, where crops are not linear."""
    rows, columns = view["image"].shape[2:]
    places = locate(view, "image", cell_centers(rows, columns)).view(-1, rows, columns, 2).permute(0, 3, 1, 2)
    return (places - view["image"])[:, :, margin:-margin, margin:-margin].abs()


@pytest.mark.parametrize("squashed", [False, True])
@pytest.mark.parametrize(
    ("name", "settings"), [("crop-flip", None), ("crop", None), ("small-objects", WITHOUT_ROTATION)]
)
def test_pixels_of_augmented_views_are_where_the_facts_say(name, settings, squashed):
    views = make_views(name, settings=settings, squashed=squashed)
    for view in views:
        assert view["image.box"].shape == (ROWS, 4)
        assert errors_inside(view).max() < 3e-3
    assert not torch.equal(views[0]["image.box"], views[1]["image.box"])
    flips = {int(flip) for view in views for flip in view["image.flip"]}
    assert flips == ({0} if name == "crop" else {0, 1})


@pytest.mark.parametrize("squashed", [False, True])
def test_views_without_augmentation_state_what_they_show(squashed):
    (view,) = make_views("crop-flip", squashed=squashed, role=Role(count=1, augment=False))
    assert errors_inside(view).max() < 3e-3
    shares = view["image.box"][:, 2:].prod(1)
    assert (shares < 1).any() if squashed else torch.equal(shares, torch.ones(ROWS))


def test_a_rotation_removes_the_facts_even_where_it_is_not_applied():
    for view in make_views("small-objects", settings={"rotation": {"p": 0.01}}):
        assert "image.box" not in view
        assert "image.flip" not in view
    for view in make_views("small-objects", settings={"rotation": {"p": 0.0}}):
        assert "image.box" in view


def image_operations() -> list[str]:
    return [c.name for c in CATALOG.all("operation") if c.spec.takes("image") and not c.spec.reference(c.spec.smoke)]


@pytest.mark.parametrize("name", image_operations())
def test_facts_change_no_pixel_and_no_draw(name):
    from sslbench.api import OperationParts

    spec: OperationSpec = CATALOG.find("operation", name)[0].spec
    color = replace(IMAGE, shape=(3, SIDE, SIDE))
    operation = spec.implementation()(spec.smoke, OperationParts(modalities={"image": color}, reference={}))
    images = torch.rand(ROWS, *color.shape, generator=torch.Generator().manual_seed(0))
    draws = keyed_random(torch.arange(ROWS), 3)
    without = operation({"image": images}, draws)
    assert without.keys() == {"image"}
    together = operation({"image": images, **whole_image_facts("image", images)}, draws)
    assert torch.equal(without["image"], together["image"])
