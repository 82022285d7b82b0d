"""Test galleries and matching across modalities against simple reference implementations."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from sslbench.analysis.statistics.signed_rank_test import signed_rank_p
from sslbench.analysis.tables.selection import select_scores
from sslbench.api import Outcome, Target, Task
from sslbench.api.target_metrics import average_precisions
from sslbench.evaluation.bench import HarnessTrial
from sslbench.evaluation.features import DiskFeatureTable
from sslbench.protocols.gallery import GalleryConfig
from sslbench.protocols.gallery_evaluator import Gallery, draw_gallery
from sslbench.protocols.matching import MatchingConfig
from sslbench.protocols.matching_evaluator import (
    Matching,
    compute_top_k,
    modality_gap,
    same_class_by_chance,
    same_class_share,
)
from sslbench.results.record import Score
from tests.varied_settings import VARIED

CLASSES = 4


def trial(features: dict[str, np.ndarray], labels: np.ndarray, *, space: str = "joint", folds: int = 1) -> HarnessTrial:
    """Return a trial in which every third sample is a query."""
    rows = np.arange(len(labels))
    tasks = [
        Task(setting={"fold": f}, bank=rows[rows % 3 == 1], validation=rows[rows % 3 == 2], query=rows[rows % 3 == 0])
        for f in range(folds)
    ]
    table = DiskFeatureTable(features=features, target=labels, columns={"id": names_of(labels)}, space=space)
    return HarnessTrial(
        tasks=tasks, target=Target(kind="class", names=tuple("abcdefgh"[:CLASSES])), bench=None, rng_key=(0, "p", "d"),
        open_table=lambda space: table,
    )  # type: ignore[arg-type]  # fmt: skip


def names_of(labels: np.ndarray) -> np.ndarray:
    return np.arange(len(labels)).astype(str)


def clouds(samples: int = 90, width: int = 6, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return two modalities of each sample: a shared point per class, independent noise, and a modality gap."""
    rng = np.random.default_rng(seed)
    labels = np.arange(samples) % CLASSES
    shared = rng.normal(size=(CLASSES, width))[labels] + rng.normal(0, 0.4, (samples, width))
    made = {name: shared + shift + rng.normal(0, 0.2, shared.shape) for name, shift in (("image", 0.0), ("pulse", 0.8))}
    return {name: x.astype(np.float32) for name, x in made.items()}, labels


def vote_one_by_one(bank, codes, queries, k):
    """Vote with weights 1 / cosine distance, exact matches only if any, the lowest class in ties: one query at a time."""
    found = []
    for vectors in queries:
        near = []
        for vector in vectors:
            cosine = bank @ vector / (np.linalg.norm(bank, axis=1) * np.linalg.norm(vector))
            near += sorted(((1 - cosine[i], codes[i]) for i in range(len(bank))), key=lambda pair: pair[0])[:k]
        exact = [code for distance, code in near if distance <= 1e-6]
        sums = np.zeros(CLASSES)
        for distance, code in [(1.0, code) for code in exact] if exact else near:
            sums[code] += 1 if exact else 1 / distance
        found.append(int(sums.argmax()))
    return found


@pytest.mark.parametrize("exact", [False, True])
def test_all_nine_modality_pairs_agree_with_a_reference_implementation(exact):
    features, labels = clouds()
    if exact:  # all images of a class are identical, so that queries match exactly
        features["image"] = np.eye(CLASSES, 6, dtype=np.float32)[labels] + 0.1
    config = GalleryConfig(shots=(3,), draws=1)
    own_trial = trial(features, labels)
    split = draw_gallery(labels, names_of(labels), own_trial.tasks[0], 3, config, own_trial.rng("gallery", "0", 3, 0))
    answers = {
        (o.setting.get("gallery", ""), o.setting.get("queries", "")): o.predicted
        for o in Gallery(config).measure(own_trial)
        if o.predicted is not None
    }
    sets = {"image": ["image"], "pulse": ["pulse"], "": ["image", "pulse"]}
    assert set(answers) == set(itertools.product(sets, sets))
    for (gallery, query), predicted in answers.items():
        bank = np.concatenate([features[name][split.gallery] for name in sets[gallery]]).astype(np.float64)
        codes = np.tile(labels[split.gallery], len(sets[gallery]))
        queries = zip(*(features[name][split.query].astype(np.float64) for name in sets[query]), strict=True)
        assert predicted.tolist() == vote_one_by_one(bank, codes, queries, config.neighbors), (gallery, query)


def test_without_a_shared_space_a_modality_is_compared_with_itself_only():
    features, labels = clouds()
    features["pulse"] = features["pulse"][:, :3]  # not even of one width
    found = {
        (o.setting.get("gallery", ""), o.setting.get("queries", ""))
        for o in Gallery(GalleryConfig(shots=(2,), draws=1)).measure(trial(features, labels, space=""))
        if o.predicted is not None
    }
    assert found == {("image", "image"), ("pulse", "pulse"), ("", ""), ("", "image"), ("", "pulse")}
    matched = list(Matching(MatchingConfig()).measure(trial(features, labels, space="")))
    assert [dict(o.setting) for o in matched] == [*({"gallery": m, "queries": m} for m in ("image", "pulse")), {}]
    assert all(set(o.scores) == {"intra_modal_precision", "same_class_by_chance"} for o in matched)


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=6),
    st.integers(1, 8),
    st.sampled_from(["keep_one_query", "drop_queries", "drop_class"]),
)
def test_gallery_and_queries_follow_the_rule_for_small_classes(counts, shots, rule):
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(labels))
    task = Task(setting={}, bank=rows[::2], validation=rows[:0], query=rows[1::2])
    config = GalleryConfig(shots=(shots,), source="all", small_classes=rule)
    split = draw_gallery(labels, names_of(labels), task, shots, config, np.random.default_rng(0))
    assert not set(split.gallery) & set(split.query), "no query is in the gallery"
    assert set(split.exhausted) == {code for code, count in enumerate(counts) if count <= shots}
    small = {"keep_one_query": lambda count: (count - 1, 1), "drop_queries": lambda count: (count, 0)}
    for code, count in enumerate(counts):
        sizes = tuple(int((labels[part] == code).sum()) for part in (split.gallery, split.query))
        expected = small.get(rule, lambda count: (0, 0))(count) if count <= shots else (shots, count - shots)
        assert sizes == expected


def test_a_class_with_fewer_samples_gives_all_it_has_and_is_reported():
    labels = np.array([0] * 30 + [1] * 30 + [2] * 6)
    features = {"image": np.random.default_rng(0).normal(size=(66, 4)).astype(np.float32)}
    config = GalleryConfig(shots=(1, 8), draws=2)
    outcomes = list(Gallery(config).measure(trial(features, labels)))
    numbers = [o for o in outcomes if o.predicted is not None]
    assert {(o.setting["shots"], o.draw) for o in numbers} == {(1, 0), (1, 1), (8, 0), (8, 1)}
    assert {o.setting["shots"]: o.scores["exhausted_classes"] for o in numbers} == {1: 0.0, 8: 1.0}
    (artifact,) = outcomes[-1].artifacts
    assert dict(artifact.columns) == {"class": ("c",), "samples": (6,), "shots": (8,)}
    split = draw_gallery(
        labels, names_of(labels), trial(features, labels).tasks[0], 8, config, np.random.default_rng(0)
    )
    assert np.bincount(labels[split.gallery]).tolist() == [8, 8, 2], "two samples of the rare class are in the bank"


def test_galleries_are_the_same_for_every_method():
    features, labels = clouds()
    other = {name: -x[:, ::-1].copy() for name, x in features.items()}
    one, two = (
        [o.rows.tolist() for o in Gallery(GalleryConfig(source="all")).measure(trial(f, labels)) if o.rows is not None]
        for f in (features, other)
    )
    assert one == two


def test_only_the_requested_neighbors_count():
    features, labels = clouds()
    one, ten = (
        next(o.scores["same_class"] for o in Matching(MatchingConfig(points=0, neighbors=n)).measure(trial(features, labels))
             if "top_1" in o.scores) for n in (1, 10)
    )  # fmt: skip
    assert one != ten


def test_matching_formulas():
    rows = torch.tensor([[0, 1, 2], [2, 1, 0], [0, 1, 3], [1, 2, 0]])
    assert compute_top_k(rows, 1) == 0.25
    assert compute_top_k(rows, 2) == 0.5
    codes = torch.tensor([0, 0, 1, -1])
    # by sample: (1, 2) -> 1 of 2; (2, 0) -> 1 of 2; (0, 1) -> 0 of 2, 3 unknown; the fourth is unknown itself
    assert same_class_share(rows, codes) == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert same_class_by_chance(torch.tensor([0, 0, 1, 1, -1])) == pytest.approx(2 / 6)
    first = torch.tensor([[1.0, 0], [1, 0]])
    assert modality_gap(first, torch.tensor([[0.0, 1], [0, 1]])) == pytest.approx(2**0.5)


def test_samples_with_equal_modalities_are_retrieved_first():
    features, labels = clouds()
    features["pulse"] = features["image"] * 3
    found: list[Outcome] = list(Matching(MatchingConfig(points=20)).measure(trial(features, labels)))[3:]
    assert [dict(o.setting) for o in found] == [
        {"gallery": "pulse", "queries": "image"}, {"gallery": "image", "queries": "pulse"}, {},
    ]  # fmt: skip
    assert all(o.scores["top_1"] == 1 and o.scores["modality_gap"] < 1e-6 for o in found)
    examples = found[0].artifacts[0]
    assert examples.modalities == ("image", "pulse")
    assert all(rows[0] == rows[1] for rows in examples.groups.values()), "the query, and itself as nearest"
    assert all(caption.endswith("own at 1") for caption in examples.groups)
    columns = found[2].artifacts[0].columns
    assert set(columns) == {"x", "y", "modality", "class"}
    assert {len(values) for values in columns.values()} == {40}


def test_signed_ranks_of_single_member_groups_agree_with_wilcoxon():
    rng = np.random.default_rng(0)
    for n in (6, 10, 13):
        values = rng.normal(0.3, 1, n)
        assert signed_rank_p(values, range(n)) == pytest.approx(wilcoxon(values, method="exact").pvalue)
    many = rng.normal(0.2, 1, 60)
    assert signed_rank_p(many, range(60)) == pytest.approx(wilcoxon(many, correction=False, method="approx").pvalue)
    assert signed_rank_p(np.zeros(4), range(4)) is None


def test_differences_of_one_fold_are_not_independent():
    """25 galleries of 5 folds that all agree give no more evidence than 5 folds: 2 / 2^5."""
    values, folds = np.arange(1.0, 26), np.repeat(np.arange(5), 5)
    assert signed_rank_p(values, folds.tolist()) == pytest.approx(2 / 2**5)
    rng = np.random.default_rng(1)
    false_positives = 0
    for _ in range(400):  # most of the variance is between folds
        found = np.repeat(rng.normal(size=8), 5) + rng.normal(0, 0.3, 40)
        false_positives += (signed_rank_p(found, np.repeat(np.arange(8), 5).tolist()) or 1) <= 0.05
    assert false_positives / 400 < 0.08


def test_the_largest_gallery_of_all_modalities_is_the_default_question():
    def score(setting):
        return Score(dataset="d", protocol="gallery", seed=0, fold=0, epoch=None, setting=setting, chosen="{}",
                     chosen_on="nothing", metric="micro_accuracy", value=0.5)  # fmt: skip

    rows = [score(s) for s in ('{"draw": 0, "shots": 2}', '{"draw": 0, "shots": 16}', '{"draw": 1, "shots": 16}',
                               '{"draw": 0, "gallery": "image", "shots": 16}')]  # fmt: skip
    assert select_scores(rows, VARIED) == rows[1:3]


def tags(samples: int = 120) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return features and three labels, one of which is rare and one unknown for some samples."""
    rng = np.random.default_rng(6)
    labels = (rng.random((samples, 3)) < [0.5, 0.3, 0.08]).astype(np.int64)
    noise = rng.normal(0, 0.3, (samples, 6))
    features = (np.concatenate([3 * labels - 1, np.ones((samples, 3))], axis=1) + noise).astype(np.float32)
    labels[::10, 0] = -1
    return {"image": features}, labels


def of_labels(found: HarnessTrial) -> HarnessTrial:
    return replace(found, target=Target(kind="labels", names=("one", "two", "rare")))


@pytest.mark.parametrize("shots", [1, 3])
def test_a_gallery_of_labels_has_positives_of_each_and_samples_without_any(shots):
    features, labels = tags()
    task = trial(features, labels).tasks[0]
    split = draw_gallery(labels, names_of(labels), task, shots, GalleryConfig(), np.random.default_rng(0))
    available = (labels[task.bank] > 0).sum(0)
    found = (labels[split.gallery] > 0).sum(0)
    assert (found >= np.minimum(available, shots)).all()
    assert (labels[split.gallery] <= 0).all(1).sum() == shots
    assert len(split.gallery) == len(set(split.gallery.tolist())) <= 4 * shots
    assert set(split.gallery.tolist()) <= set(task.bank.tolist())
    assert split.exhausted.tolist() == np.flatnonzero(available < shots).tolist()


def test_labels_are_weighted_shares_of_the_neighbors_that_have_them():
    features, labels = tags()
    own = of_labels(trial(features, labels, space=""))
    config = GalleryConfig(shots=(4,), draws=1, neighbors=3)
    (found,) = [one for one in Gallery(config).measure(own) if one.predicted is not None and not one.setting.get("gallery")
                and not one.setting.get("queries")]  # fmt: skip
    x = features["image"] / np.linalg.norm(features["image"], axis=1, keepdims=True)
    for row, predicted in zip(found.rows[:20], found.predicted[:20], strict=True):
        distance = 1 - x[found.bank] @ x[row]
        near = np.argsort(distance, kind="stable")[:3]
        for label in range(3):
            known = labels[found.bank[near], label] >= 0
            if known.any():
                weight = 1 / distance[near][known]
                share = (weight * labels[found.bank[near], label][known]).sum() / weight.sum()
                assert predicted[label] == pytest.approx(share, abs=1e-3)
    assert average_precisions(labels[found.rows], found.predicted)[0] > 0.9


@pytest.mark.parametrize("rule", ["keep_one_query", "drop_queries", "drop_class"])
def test_a_label_that_a_gallery_would_use_up_follows_the_rule(rule):
    features, labels = tags()
    task = trial(features, labels).tasks[0]
    labels[:, 2] = 0
    labels[[5, 50], 2] = 1
    config = GalleryConfig(source="all", small_classes=rule)
    split = draw_gallery(labels, names_of(labels), task, 2, config, np.random.default_rng(0))
    in_gallery, in_query = (int((labels[rows, 2] > 0).sum()) for rows in (split.gallery, split.query))
    assert (in_gallery, in_query) == {"keep_one_query": (1, 1), "drop_queries": (2, 0), "drop_class": (0, 0)}[rule]
    assert split.exhausted.tolist() == [2]
