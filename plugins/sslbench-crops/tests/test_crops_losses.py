"""Losses and their gradients against transcriptions of the equations, and the views that methods compare."""

from __future__ import annotations

import math

import pytest
import torch
from sslbench_crops.methods.contrast import make_projector, printed_nt_xent, scarf_loss
from sslbench_crops.methods.scarf_model import Scarf, ScarfReleased
from sslbench_vision.methods.simclr_model import nt_xent

from sslbench.api import Batch, OperationParts
from sslbench.testing.installed import specs_of
from sslbench.testing.plans import plan_run
from sslbench.testing.random_numbers import keyed_random


def similarity(x, y, temperature):
    """r of the paper: exp(cosine / temperature)."""
    cosine = sum(a * b for a, b in zip(x, y, strict=True)) / (torch.sqrt((x**2).sum()) * torch.sqrt((y**2).sum()))
    return torch.exp(cosine / temperature)


def transcribe_printed(s, p, temperature):
    """Equation 1: anchors s, and the positive is in neither sum."""
    losses = []
    for i in range(len(s)):
        within = sum(similarity(s[i], s[k], temperature) for k in range(len(s)) if k != i)
        across = sum(similarity(s[i], p[m], temperature) for m in range(len(p)) if m != i)
        losses.append(-torch.log(similarity(s[i], p[i], temperature) / (within + across)))
    return sum(losses) / len(losses)


def transcribe_released(s, p, temperature):
    """The released code: both sides in one list, every row an anchor, the positive in the denominator."""
    rows = [*s, *p]
    losses = []
    for i, anchor in enumerate(rows):
        positive = similarity(anchor, rows[(i + len(s)) % len(rows)], temperature)
        losses.append(
            -torch.log(positive / sum(similarity(anchor, x, temperature) for j, x in enumerate(rows) if j != i))
        )
    return sum(losses) / len(losses)


def transcribe_scarf(clean, corrupted, temperature):
    """Algorithm 1 of SCARF."""
    losses = []
    for i in range(len(clean)):
        every = [similarity(clean[i], corrupted[k], temperature) for k in range(len(clean))]
        losses.append(-torch.log(every[i] / (sum(every) / len(clean))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize(
    ("loss", "transcription"),
    [(printed_nt_xent, transcribe_printed), (nt_xent, transcribe_released), (scarf_loss, transcribe_scarf)],
)
def test_losses_and_gradients_equal_transcriptions_of_the_equations(loss, transcription, temperature):
    generator = torch.Generator().manual_seed(0)
    found, expected = [], []
    for function, results in ((loss, found), (transcription, expected)):
        generator.manual_seed(0)
        sides = [torch.randn(7, 5, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2)]
        value = function(*sides, temperature)
        assert value.dtype == torch.float64
        results += [value.detach(), *torch.autograd.grad(value, sides)]
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-9)


def test_only_the_printed_form_can_be_negative_and_only_it_has_one_side():
    aligned = torch.eye(4, dtype=torch.float64)
    assert printed_nt_xent(aligned, aligned, 0.07) == pytest.approx(-1 / 0.07 + math.log(6))
    assert nt_xent(aligned, aligned, 0.07) >= 0
    first, second = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert not torch.isclose(printed_nt_xent(first, second, 0.5), printed_nt_xent(second, first, 0.5))
    assert torch.isclose(nt_xent(first, second, 0.5), nt_xent(second, first, 0.5))


def test_the_projector_has_the_parameters_of_the_released_code():
    assert sum(p.numel() for p in make_projector(256, 0, 256).parameters()) == 132_096


def make_batch(method: str) -> Batch:
    """Make the views of a method by the plan's roles and SCARF's corruption, as the loader does."""
    plan = plan_run(method, "synthetic-crops/pairs", "backbones.step-a.name=res-mlp", "data.fields=2", "data.dates=6",
                    "augmentation.name=feature-corruption", "recipe=none", "protocols=[]")  # fmt: skip
    (spec,) = [one for one in specs_of("sslbench-crops", "operation") if one.name == "feature-corruption"]
    reference = {"step-a": torch.rand(500, 12)}
    operation = spec.implementation()(
        spec.config(), OperationParts(modalities={"step-a": plan.modalities["step-a"]}, reference=reference)
    )
    view, rows = {"step-a": torch.rand(16, 12)}, torch.arange(16)
    views = {
        role: tuple(
            operation(view, keyed_random(rows, 0, role, place)) if one.augment else view for place in range(one.count)
        )
        for role, one in plan.roles.items()
    }
    return Batch(views=views, index=rows, random=keyed_random(rows, 0))


def test_views_of_the_degenerate_baseline_are_identical_and_those_of_scarf_are_not():
    first, second = ScarfReleased.select_views(make_batch("scarf-released"))
    assert torch.equal(first["step-a"], second["step-a"])
    clean, corrupted = Scarf.select_views(make_batch("scarf"))
    changed = (clean["step-a"] != corrupted["step-a"]).float().mean(dim=1)
    assert torch.allclose(changed, torch.full((16,), 7 / 12)), "int(0.6 * 12) columns of every sample"


def test_the_degenerate_baseline_is_marked_as_such(cli):
    (spec,) = [one for one in specs_of("sslbench-crops", "method") if one.name == "scarf-released"]
    assert spec.identical_views
    assert spec.summary.startswith("DEGENERATE")
    assert "DEGENERATE" in cli("show", "method", "scarf-released").stdout
