"""Compare protocols with other libraries: nearest neighbors, linear probes, clustering scores."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import NearestNeighbors

from sslbench.api.adjusted_mutual_info import adjusted_mutual_info
from sslbench.environment import cpu_precision
from sslbench.evaluation.nearest_neighbors import find_nearest
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.knn_evaluator import compute_weights, sum_votes
from sslbench.protocols.linear import LinearConfig
from sslbench.protocols.linear_evaluator import Bank, train_probes
from tests.conftest import ROOT

from .conftest import State, median_time_ratio, time_shares
from .figures import Figure

WIDTH, BANK, CLASSES = 512, 50_000, 10


def features(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return unit vectors around ten class centers, and their labels, similar to features of a trained encoder."""
    rng = torch.Generator().manual_seed(seed)
    centers = torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) % CLASSES
    values = 0.16 * centers[labels] + torch.randn(count, WIDTH, generator=rng)
    return values / values.norm(dim=1, keepdim=True), labels


def their_neighbors(
    library: str, bank: torch.Tensor, labels: torch.Tensor, query: torch.Tensor
) -> Callable[[], object]:
    """Return a library's search of the 200 nearest; LightlySSL's with 500 queries per call, to bound its memory."""
    if library == "scikit-learn, brute force":
        scikit = NearestNeighbors(n_neighbors=200, algorithm="brute").fit(bank.numpy())
        return lambda: scikit.kneighbors(query.numpy())
    lightly = pytest.importorskip("lightly.utils.benchmarking.knn")
    parts = torch.split(query, 500)
    return lambda: [lightly.knn_predict(part, bank.T, labels, CLASSES, 200, 0.1) for part in parts]


@pytest.mark.parametrize(("library", "aim"), [("scikit-learn, brute force", 4), ("LightlySSL's knn_predict, one k", 1)])
def test_neighbors_against_other_libraries(benchmark, state: State, library, aim):
    """Find the 200 nearest of 50,000 for 10,000 queries; ours serves all k of the grid at once."""
    bank, labels = features(BANK, 0)
    query, _ = features(10_000, 1)

    config = KnnConfig()

    def ours() -> object:
        cosines, found = find_nearest(bank, query, 200, 256, cpu_precision())
        vote, named = compute_weights(cosines, config), labels[found]
        return [sum_votes(vote, named, CLASSES, k) for k in config.neighbors]

    gain = 1 / median_time_ratio(ours, their_neighbors(library, bank, labels, query), 3)
    benchmark.pedantic(ours, rounds=1)
    exact = find_nearest(bank, query[:100], 200, 256, cpu_precision())[0].numpy()
    brute = np.sort((query[:100].double() @ bank.double().T).numpy(), axis=1)[:, ::-1][:, :200]
    assert np.abs(exact - brute).max() < 1e-6
    what = "k-NN, bank of 50,000 x 512, 10,000 queries, 200 neighbors"
    spent = time_shares(ours)
    products, cosines = spent["aten::mm"], spent["aten::sparse_sampled_addmm"]
    note = (
        f"ours with the votes of k = {', '.join(map(str, config.neighbors))}; {products:.0%} of its time are products in "
        f"{cpu_precision()}, {cosines:.0%} cosines of candidates, {1 - products - cosines:.0%} finding and ordering those"
    )
    state(Figure(what=what, against=library, found=gain, aim=aim, unit="x", note=note))


@pytest.mark.parametrize(("rows", "width"), [(50_000, 512), (200_000, 512), (1_000_000, 384)])
def test_neighbors_in_bounded_memory(benchmark, state: State, rows, width):
    """Check that a search needs at most 256 MB beyond bank and queries; each in its own process for its own peak."""

    program = [sys.executable, "-m", "benchmarks.speed.neighbors_program", str(rows), str(width), "1000"]
    text = benchmark.pedantic(subprocess.check_output, args=(program,), kwargs={"text": True, "cwd": ROOT}, rounds=1)
    before, after = map(float, text.split())
    what = f"k-NN, bank of {rows:,} x {width}, memory beyond the bank"
    state(
        Figure(what=what, against="256 MB", found=after - before, better="less", aim=256, unit=" MB",
               note=f"{after:,.0f} MB in all, {before:,.0f} of them before")
    )  # fmt: skip


def test_linear_probes_together_against_one_after_another(benchmark, state: State):
    """Fit 13 rates x 3 decays x 5 seeds on 50,000 x 512; plain PyTorch's time is that of 25 fits, scaled to 195."""
    bank, labels = features(BANK, 0)
    query, truth = features(10_000, 1)
    rates = tuple(float(r) for r in np.geomspace(0.001, 1.0, 13))
    config = LinearConfig(lrs=rates, weight_decays=(0.0, 1e-4, 1e-3), epochs=3, min_steps=0)
    grid = [(rate, decay) for rate in config.lrs for decay in config.weight_decays]

    def ours() -> np.ndarray:
        rngs = [np.random.default_rng(seed) for seed in range(5)]
        own = Bank(features=bank, labels=labels, rngs=rngs)
        probes = train_probes([own], CLASSES, grid, config, cpu_precision())[0]
        return np.stack([(p.scores(query).argmax(2) == truth[:, None]).double().mean(0).numpy() for p in probes])

    began = time.perf_counter()
    found = benchmark.pedantic(ours, rounds=1)
    batched_seconds = time.perf_counter() - began
    mean, deviation = bank.mean(0), bank.std(0)
    some = range(0, len(grid), len(grid) // 4)
    began = time.perf_counter()
    plain_fits = [[plain(bank, labels, mean, deviation, *grid[index], config) for _ in range(5)] for index in some]
    plain_seconds = (time.perf_counter() - began) / len(some) * len(grid)
    inputs = (query - mean) / deviation
    right = [np.mean([float((fit(inputs).argmax(1) == truth).double().mean()) for fit in fits]) for fits in plain_fits]
    gaps = [abs(found[:, index].mean() - one) for index, one in zip(some, right, strict=True)]
    what = "linear probes, 13 rates x 3 decays x 5 seeds, 50,000 x 512, 3 epochs"
    note = (
        f"ours in {cpu_precision()}; time of {5 * len(some)} plain fits in float32, scaled to 195; means over seeds differ "
        f"by {max(gaps):.4f} at most"
    )
    state(
        Figure(
            what=what,
            against="plain PyTorch, one after another",
            found=plain_seconds / batched_seconds,
            aim=10,
            unit="x",
            note=note,
        )
    )
    assert max(gaps) <= 0.002
    began = time.perf_counter()
    scikit = LogisticRegression(max_iter=200).fit(((bank - mean) / deviation).numpy(), labels.numpy())
    gain = (time.perf_counter() - began) / batched_seconds
    theirs = scikit.score(((query - mean) / deviation).numpy(), truth.numpy())
    note = f"accuracy {found.mean(0).max():.4f}, theirs {theirs:.4f}; ours solves all 195 meanwhile"
    state(
        Figure(
            what=what,
            against="one LogisticRegression of scikit-learn",
            found=gain,
            unit="x",
            note=note,
        )
    )


def plain(bank, labels, mean, deviation, rate, decay, config) -> torch.nn.Linear:
    """Fit one probe as in a tutorial, from zero weights; biases do not decay."""
    values = (bank - mean) / deviation
    probe = torch.nn.Linear(WIDTH, CLASSES)
    for parameter in probe.parameters():
        torch.nn.init.zeros_(parameter)
    groups = [{"params": probe.weight, "weight_decay": decay}, {"params": probe.bias}]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=config.momentum)
    steps = len(values) // config.batch_size
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs * steps)
    for _ in range(config.epochs):
        order = torch.randperm(len(values))
        for step in range(steps):
            rows = order[step * config.batch_size : (step + 1) * config.batch_size]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(probe(values[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return probe


def test_adjusted_mutual_information_with_its_null(benchmark, state: State):
    """Score 10,000 samples in ten clusters, with 200 permutations of the labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 10_000)
    clusters = np.where(rng.random(10_000) < 0.5, labels, rng.integers(0, 10, 10_000))

    def ours() -> object:
        return adjusted_mutual_info(labels, clusters, 200, np.random.default_rng(1))

    def theirs() -> list[float]:
        other = np.random.default_rng(1)
        return [
            adjusted_mutual_info_score(other.permutation(labels), clusters, average_method="max") for _ in range(200)
        ]

    gain = 1 / median_time_ratio(ours, theirs, 3)
    benchmark(ours)
    assert np.mean(theirs()) == pytest.approx(
        adjusted_mutual_info(labels, clusters, 200, np.random.default_rng(1))["ami_max_null"], abs=1e-9
    )
    state(
        Figure(
            what="AMI and its null of 200 draws, 10,000 samples",
            against="200 calls of scikit-learn",
            found=gain,
            aim=5,
            unit="x",
        )
    )
