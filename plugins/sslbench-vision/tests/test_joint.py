"""Joint-embedding methods beyond their equations: queues, momentum networks, memories, frozen parts, short batches."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from sslbench_vision.backbones.micro_cnn import MicroCnnConfig
from sslbench_vision.backbones.micro_cnn_model import MicroCnn
from sslbench_vision.backbones.micro_vit import MicroVitConfig
from sslbench_vision.backbones.micro_vit_model import MicroVit
from sslbench_vision.joint.queue import NO_SAMPLE, Queue, find_neighbors
from sslbench_vision.methods.moco_v3_model import freeze_stem
from torch import nn

import sslbench
from sslbench.api import Batch, Loss, MethodParts, Modality, PlanContext, Step, Target, Unavailable
from sslbench.api.errors import RequestError
from sslbench.testing.installed import specs_of
from sslbench.testing.random_numbers import keyed_random
from sslbench.testing.steps import make_step

IMAGE = Modality(layout="image", shape=(1, 16, 16), mean=(0.5,), std=(0.25,))
ROWS = 40
METHODS = {
    spec.name: spec for spec in specs_of("sslbench-vision", "method") if spec.trains and "projector" in spec.spaces
}


def built(name: str, **settings):
    """A method on a micro CNN, in its smoke setting, with a pool of ROWS samples."""
    spec = METHODS[name]
    config = dataclasses.replace(spec.smoke, **settings)
    facts = PlanContext(
        modalities={"image": IMAGE}, shapes={}, samples=ROWS, batch_size=16, epochs=4, target=Target(kind="none")
    )
    assert not list(spec.check(config, facts))
    torch.manual_seed(0)
    encoder = MicroCnn(MicroCnnConfig(widths=(4, 4, 8, 8)), IMAGE)
    method = spec.implementation()(config, MethodParts(encoders={"image": encoder}, dependencies={}, context=facts))
    return method.train(), {role: wanted.count for role, wanted in spec.views(config).items()}


def batch_of(roles: dict[str, int], rows: torch.Tensor, seed: int = 0) -> Batch:
    draws = torch.Generator().manual_seed(seed)
    views = {
        role: tuple({"image": torch.rand(len(rows), 1, 16, 16, generator=draws)} for _ in range(count))
        for role, count in roles.items()
    }
    return Batch(views=views, index=rows, random=keyed_random(rows, 0, "test"))


def step_at(epoch: int = 0, index: int = 0) -> Step:
    return make_step(index, total_steps=40, epoch=epoch, epochs=4)


def survey():
    generator = torch.Generator().manual_seed(9)
    for start in range(0, ROWS, 8):
        yield torch.arange(start, start + 8), {"image": torch.rand(8, 1, 16, 16, generator=generator)}


def begun(name: str, **settings):
    method, roles = built(name, **settings)
    with torch.no_grad():
        method.before_epoch(step_at(), survey)
    return method.train(), roles


def one_step(method, roles, rows, epoch=0, index=0) -> Loss:
    loss = method.loss(batch_of(roles, rows, seed=index), step_at(epoch, index))
    with torch.no_grad():
        method.after_step(step_at(epoch, index), [loss.carry])
    return loss


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_loss_is_pure_and_reaches_all_that_trains(name):
    """Twice the same number; every parameter of a group gets a gradient, no other does, and an odd batch works too."""
    method, roles = begun(name)
    before = {k: v.clone() for k, v in method.state_dict().items() if "running" not in k and "tracked" not in k}
    batch = batch_of(roles, torch.arange(17))
    first, second = (method.loss(batch, step_at()).total for _ in range(2))
    assert first.ndim == 0
    assert first.isfinite()
    torch.testing.assert_close(first, second)
    assert all(torch.equal(v, method.state_dict()[k]) for k, v in before.items())
    second.backward()
    trained = {id(p) for group in method.groups() for p in group.parameters}
    for path, parameter in method.named_parameters():
        assert (parameter.grad is not None) == (id(parameter) in trained), path


@pytest.mark.parametrize("name", [n for n in sorted(METHODS) if hasattr(built(n)[0], "teacher")])
def test_a_momentum_network_follows_its_student_and_stands_still_at_the_end(name):
    method, _ = built(name, momentum=0.5, final_momentum=1.0)
    with torch.no_grad():
        for parameter in method.encoder.parameters():
            parameter.add_(1.0)
    slow, fast = next(method.teacher.encoder.parameters()), next(method.encoder.parameters())
    gap = float((fast - slow).detach().abs().max())
    method.teacher.update(method, step_at(index=0))
    assert float((fast - slow).detach().abs().max()) == pytest.approx(gap / 2, rel=1e-5)
    method.teacher.update(method, step_at(index=40))
    assert float((fast - slow).detach().abs().max()) == pytest.approx(gap / 2, rel=1e-5)
    assert not any(p.requires_grad for p in method.teacher.parameters())


def test_a_queue_is_a_ring_of_the_newest():
    queue = Queue(5, 2)
    assert not queue.is_filled()
    for start in (0, 3, 6):
        owners = torch.arange(start, start + 3)
        queue.push(owners.float().unsqueeze(1).expand(3, 2), owners)
    assert queue.is_filled()
    assert sorted(queue.owners.tolist()) == [4, 5, 6, 7, 8]
    assert torch.equal(queue.rows[:, 0].long(), queue.owners)
    queue.push(torch.arange(12.0).unsqueeze(1).expand(12, 2), torch.arange(12))
    assert sorted(queue.owners.tolist()) == [7, 8, 9, 10, 11]


def test_a_sample_is_not_its_own_neighbor_unless_allowed():
    queue = Queue(4, 2)
    rows = nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.2], [0, 1], [-1, 0]]), dim=1)
    queue.push(rows, torch.tensor([7, 8, 9, 10]))
    requested, owner = rows[:1], torch.tensor([7])
    torch.testing.assert_close(find_neighbors(queue, requested, owner, include_self=True), rows[:1])
    torch.testing.assert_close(find_neighbors(queue, requested, owner, include_self=False), rows[1:2])


@pytest.mark.parametrize("name", [n for n in sorted(METHODS) if hasattr(METHODS[n].smoke, "queue")])
def test_a_queue_larger_than_the_dataset_works(name):
    """Random rows stay in it for epochs, and the same sample comes round more than once."""
    method, roles = begun(name, queue=3 * ROWS + 1)
    for index in range(6):
        rows = (torch.arange(16) + 16 * index) % ROWS
        assert one_step(method, roles, rows, epoch=index // 3, index=index).total.isfinite()
    queue = next(m for m in method.modules() if isinstance(m, Queue))
    assert int((queue.owners != NO_SAMPLE).sum()) == 6 * 16
    restored, _ = built(name, queue=3 * ROWS + 1)
    restored.load_state_dict(method.state_dict())
    same = batch_of(roles, torch.arange(16), seed=99)
    torch.testing.assert_close(restored.loss(same, step_at(2)).total, method.loss(same, step_at(2)).total)


def test_swavs_queue_counts_only_from_its_epoch_and_once_it_is_full():
    method, roles = built("swav", queue=32, queue_from=2)
    batch = batch_of(roles, torch.arange(16), seed=50)

    def loss(epoch: int) -> float:
        return float(method.loss(batch, step_at(epoch)).total.detach())

    alone = loss(0)
    assert loss(3) == pytest.approx(alone)
    one_step(method, roles, torch.arange(16), index=1)
    assert loss(3) == pytest.approx(loss(0))
    one_step(method, roles, torch.arange(16, 32), index=2)
    assert loss(1) == pytest.approx(loss(0))
    assert loss(2) != pytest.approx(loss(0))


@pytest.mark.parametrize("name", ["dino", "swav"])
def test_prototypes_alone_are_frozen_at_first(name):
    method, _ = built(name, freeze=3)
    starts = {id(parameter): group.from_epoch for group in method.groups() for parameter in group.parameters}
    found = {path: starts[id(parameter)] for path, parameter in method.named_parameters() if parameter.requires_grad}
    prototypes = "projector.prototypes.weight" if name == "dino" else "prototypes.weight"
    assert {path for path, epoch in found.items() if epoch == 3} == {prototypes}
    assert set(found.values()) == {0, 3}


def test_deepclusters_first_epoch_may_be_ignored():
    method, roles = begun("deepcluster-v2", first_epoch="ignored")
    loss = one_step(method, roles, torch.arange(16))
    assert loss.total.item() == 0
    loss.total.backward()
    with torch.no_grad():
        method.before_epoch(step_at(epoch=1), survey)
    assert (method.assigned >= 0).all()
    assert method.loss(batch_of(roles, torch.arange(16)), step_at(epoch=1)).total.item() > 0


def test_deepclusters_memory_is_what_was_embedded_last():
    method, roles = begun("deepcluster-v2")
    assert (method.assigned >= 0).all()
    torch.testing.assert_close(method.memory.norm(dim=2), torch.ones(2, ROWS))
    before = method.memory.clone()
    one_step(method, roles, torch.arange(16))
    changed = (method.memory != before).any(dim=2).any(dim=0)
    assert changed.tolist() == [True] * 16 + [False] * (ROWS - 16)


def test_dinos_center_follows_the_teacher():
    method, roles = built("dino", center_momentum=0.5)
    loss = one_step(method, roles, torch.arange(16))
    torch.testing.assert_close(method.center, loss.carry["center"] * 0.5)


@pytest.mark.parametrize("keep", ["teacher", "student"])
def test_dino_keeps_the_network_that_is_set(keep):
    method, _ = built("dino", keep=keep)
    kept = method.encoders["image"]
    assert kept is (method.teacher.encoder if keep == "teacher" else method.encoder)
    embedded = method.embed({"image": torch.rand(2, 1, 16, 16)})
    assert embedded["image.projector"].shape == (2, 32)


def test_local_views_enter_the_loss():
    for name in ("dino", "swav", "deepcluster-v2"):
        method, roles = begun(name, local=3)
        assert roles == {"global": 2, "local": 3}
        without = {"global": 2}
        some = method.loss(batch_of(roles, torch.arange(16)), step_at()).total
        none = method.loss(batch_of(without, torch.arange(16)), step_at()).total
        assert some.isfinite()
        assert float(some) != float(none)


def test_simsiams_predictor_may_keep_its_rate():
    for constant in (True, False):
        method, _ = built("simsiam", constant_predictor_lr=constant)
        group = next(g for g in method.groups() if g.parameters[0] is next(method.predictor.parameters()))
        assert group.scheduled is not constant


def test_barlow_twins_biases_may_have_a_rate_of_their_own():
    method, _ = built("barlow-twins", bias_lr=0.024)
    rates = {group.lr_multiplier: {p.ndim for p in group.parameters} for group in method.groups()}
    assert rates[0.024] == {1}
    assert 1 not in rates[1.0]


def test_variance_may_be_halved_or_not():
    batch = None
    found = []
    for halved in (True, False):
        method, roles = built("vicreg", halved_variance=halved)
        batch = batch or batch_of(roles, torch.arange(16))
        found.append(method.loss(batch, step_at()).terms)
    assert float(found[1]["variance"]) == pytest.approx(2 * float(found[0]["variance"]))
    assert float(found[1]["covariance"]) == pytest.approx(float(found[0]["covariance"]))


def test_a_frozen_stem_stays_random():
    encoder = MicroVit(MicroVitConfig(depth=1, width=16, heads=2, patch=8), IMAGE)
    freeze_stem(encoder)
    still = [name for name, p in encoder.named_parameters() if not p.requires_grad]
    assert still
    assert all("embed" in name for name in still)
    with pytest.raises(Unavailable, match="the encoder has no capability 'depth'"):
        freeze_stem(nn.Identity())


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("byol", {"train.batch_size": 1}, "train.batch_size=1: 'byol' needs batch statistics. Set it to 2 or more"),
        ("nnclr", {"train.batch_size": 1}, "train.batch_size=1: 'nnclr' contrasts the samples of a batch"),
        ("moco-v2-plus", {"method.queue": 0}, "method.queue=0: must be 1 or more"),
        (
            "ressl",
            {"method.teacher_temperature": 0.0},
            "method.teacher_temperature=0.0: must be above 0",
        ),
        ("w-mse", {"method.whitening": 32}, "method.whitening=32: must be above method.out=32"),
        ("w-mse", {"train.batch_size": 32}, "train.batch_size=32: less than method.whitening=64"),
        ("vibcreg", {"method.groups": 7}, "not a multiple of method.groups=7"),
        ("deepcluster-v2", {"method.clusters": 5000}, "method.clusters=5000: more than the"),
        ("dino", {"method.freeze": 50}, "method.freeze=50: prototypes would stay frozen in all"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(name, settings, sentence, tmp_path):
    with pytest.raises(RequestError) as caught:
        sslbench.run(name, "digits", out=tmp_path, settings={"train.epochs": 1, "seeds": [0], **settings})
    assert sentence in str(caught.value)


def test_the_center_of_dino_is_a_mean_over_the_rows_of_all_passes():
    method, roles = built("dino", center_momentum=0.0)
    method.eval()  # batch statistics are those of a pass
    complete = batch_of(roles, torch.arange(16))
    parts = [slice(0, 6), slice(6, 11), slice(11, 16)]
    carries = []
    for part in parts:
        views = {r: tuple({"image": v["image"][part]} for v in made) for r, made in complete.views.items()}
        carries.append(method.loss(SimpleNamespace(views=views), step_at()).carry)
    expected = method.loss(complete, step_at()).carry["center"]
    with torch.no_grad():
        method.after_step(step_at(), carries)
    torch.testing.assert_close(method.center, expected, rtol=1e-4, atol=1e-6)
