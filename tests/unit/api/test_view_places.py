"""Facts about places of views, on images whose values are their own coordinates."""

from __future__ import annotations

import pytest
import torch

from sslbench.api import Modality
from sslbench.api.image_boxes import crop_resize
from sslbench.api.view_places import (
    LEFT_RIGHT,
    TOP_BOTTOM,
    cell_centers,
    crop_facts,
    flip_facts,
    locate,
    whole_image_facts,
)

HEIGHT, WIDTH = 48, 64


def coordinate_images(batch: int = 6, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """Return images [B, 2, H, W]: each pixel's center (y, x), as fractions."""
    return cell_centers(height, width).T.reshape(2, height, width).expand(batch, -1, -1, -1)


def crop(view, boxes, size):
    return {**view, "x": crop_resize(view["x"], boxes, size), **crop_facts(view, "x", boxes)}


def flip(view, axis):
    return {**view, "x": view["x"].flip(3 if axis == LEFT_RIGHT else 2), **flip_facts(view, "x", axis)}


def largest_error(view, margin: int = 3) -> float:
    """Return the largest difference of pixel values and places by the facts; a crop is not linear at its border."""
    rows, columns = view["x"].shape[2:]
    places = locate(view, "x", cell_centers(rows, columns)).view(-1, rows, columns, 2).permute(0, 3, 1, 2)
    inside = (slice(None), slice(None), slice(margin, rows - margin), slice(margin, columns - margin))
    return float((places[inside] - view["x"][inside]).abs().max())


def test_facts_of_crops_and_flips_compose_in_any_order():
    view = {"x": coordinate_images(), **whole_image_facts("x", coordinate_images())}
    assert largest_error(view, margin=0) < 1e-6
    generator = torch.Generator().manual_seed(0)
    for step, axis in enumerate((LEFT_RIGHT, TOP_BOTTOM, LEFT_RIGHT, LEFT_RIGHT, TOP_BOTTOM)):
        height, width = view["x"].shape[2:]
        draws = torch.rand(6, 4, generator=generator)
        extent = torch.round((0.7 + 0.3 * draws[:, :2]) * torch.tensor([height, width]))
        corner = torch.floor(draws[:, 2:] * (torch.tensor([height, width]) - extent + 1))
        view = crop(view, torch.cat([corner, extent], 1), (40 + step, 36))
        view = flip(view, axis)
        margin = 3 * (step + 1)  # borders of earlier crops move inwards
        assert largest_error(view, margin) < 2e-3
    assert view["x.flip"].tolist() == [LEFT_RIGHT] * 6


def test_one_crop_has_the_box_of_the_formula():
    view = {"x": coordinate_images(1), **whole_image_facts("x", coordinate_images(1))}
    boxes = torch.tensor([[12.0, 16.0, 24.0, 32.0]])
    assert torch.equal(crop_facts(view, "x", boxes)["x.box"], torch.tensor([[0.25, 0.25, 0.5, 0.5]]))
    mirrored = flip(view, LEFT_RIGHT)
    expected = torch.tensor([[0.0, 0.5, 0.5, 0.5]])
    assert torch.equal(crop_facts(mirrored, "x", torch.tensor([[0.0, 0.0, 24.0, 32.0]]))["x.box"], expected)
    beyond = torch.tensor([[-24.0, -32.0, 96.0, 128.0]])
    assert torch.equal(crop_facts(view, "x", beyond)["x.box"], torch.tensor([[-0.5, -0.5, 2.0, 2.0]]))


def test_points_of_a_view_are_located_in_the_image():
    view = {
        "x": coordinate_images(2),
        "x.box": torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.5, 0.25, 0.5, 0.5]]),
        "x.flip": torch.tensor([LEFT_RIGHT, TOP_BOTTOM]),
    }
    places = locate(view, "x", torch.tensor([[0.0, 0.0], [1.0, 0.5]]))
    assert torch.allclose(places, torch.tensor([[[0.0, 1.0], [1.0, 0.5]], [[1.0, 0.25], [0.5, 0.5]]]))
    other = locate(view, "x", torch.tensor([[[0.0, 0.0]], [[0.5, 1.0]]]))
    assert torch.allclose(other, torch.tensor([[[0.0, 1.0]], [[0.75, 0.75]]]))


def test_a_view_without_facts_gets_none_and_cannot_be_located():
    view = {"x": coordinate_images(2)}
    assert crop_facts(view, "x", torch.zeros(2, 4)) == {}
    assert flip_facts(view, "x", LEFT_RIGHT) == {}
    with pytest.raises(ValueError, match=r"x\.box: the view has no such fact.*needs_places=True"):
        locate(view, "x", cell_centers(2, 2))


def test_only_images_have_places():
    assert Modality(layout="image", shape=(3, 8, 8)).spec.has_places
    assert not Modality(layout="sequence", shape=(8, 2)).spec.has_places


def test_a_dataset_cannot_announce_a_fact_that_views_have():
    image = Modality(layout="image", shape=(3, 8, 8), facts=("box",))
    assert [*image.find_errors()] == ["announces the fact 'box', which views of images have already. Use another name"]
    assert not [*Modality(layout="sequence", shape=(8, 2), facts=("box",)).find_errors()]
