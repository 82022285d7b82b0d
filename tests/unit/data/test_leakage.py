"""No group of samples is on two sides of any split: bank, validation, query, learned and held-out rows, galleries."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sslbench.api import Target, Task
from sslbench.api.errors import RequestError
from sslbench.config.stage_inputs import DivisionInputs, PoolInputs
from sslbench.data.label_subsets import tasks_of
from sslbench.data.splits import SplitSettings, divide, division_errors
from sslbench.data.table import Prepared
from sslbench.protocols.gallery import GalleryConfig
from sslbench.protocols.gallery_evaluator import draw_gallery
from sslbench.train.pool import divide_pool

WAYS = ("folds", "official", "official with validation", "transfer", "within one value")
KEPT = ("nothing", "the user's column", "the card's column", "the card's two columns", "blocks of time")
WIDTH = 10.0


@dataclass(frozen=True)
class Request:
    """One way to split one dataset."""

    labels: np.ndarray
    columns: dict[str, np.ndarray]
    settings: SplitSettings
    card: tuple[str, ...]


def name_groups(columns: dict[str, np.ndarray], settings: SplitSettings, card: tuple[str, ...], mark: str = "") -> list:
    """The group of each sample by a plain transcription of the rule; samples without a value have a group each."""
    names = (settings.groups,) if settings.groups else card
    rows = len(columns["id"])
    if not names:
        return [(mark, row) for row in range(rows)]
    if not settings.group_gap:
        values = [tuple(str(columns[name][row]) for name in names) for row in range(rows)]
        return [value if any(value) else (mark, row) for row, value in enumerate(values)]
    group, last, number = [(mark, row) for row in range(rows)], None, 0
    for row in sorted((r for r in range(rows) if columns["second"][r]), key=lambda r: float(columns["second"][r])):
        now = float(columns["second"][row])
        number += last is None or now - last > settings.group_gap
        group[row], last = number, now
    return group


@st.composite
def requests(draw):
    n, seed = draw(st.integers(40, 120)), draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    groups = draw(st.integers(6, 40))
    labels = rng.integers(-1 if draw(st.booleans()) else 0, draw(st.integers(2, 5)), n)
    columns = {
        "id": np.arange(n).astype(str),
        "camera": rng.choice(["A", "B", "C"], n, p=[0.5, 0.4, 0.1]),
        "dish": np.where(rng.random(n) < 0.1, "", rng.integers(0, groups, n).astype(str)),
        "well": rng.integers(0, 2, n).astype(str),
        "second": np.where(rng.random(n) < 0.1, "", (rng.integers(0, groups, n) * 3 * WIDTH + rng.integers(0, 9, n)).astype(str)),
    }  # fmt: skip
    way, group = draw(st.sampled_from(WAYS)), draw(st.sampled_from(KEPT))
    given_settings: dict = {"folds": draw(st.integers(2, 5)), "validation": draw(st.sampled_from([0.0, 0.15, 0.3]))}
    given_settings["label_fractions"] = (0.01, 0.1, 0.5, 1.0)
    if way.startswith("official"):
        parts = ["train", "test", *(["validation"] if "validation" in way else []), *draw(st.sampled_from([[], [""]]))]
        columns["split"] = rng.choice(parts, n)
    if way in ("transfer", "within one value"):
        given_settings |= {"transfer": "camera", "bank": "A", "query": "B" if way == "transfer" else "A"}
    if group == "the user's column":
        given_settings["groups"] = "dish"
    if group == "blocks of time":
        given_settings |= {"groups": "second", "group_gap": WIDTH}
    card = {"the card's column": ("dish",), "the card's two columns": ("dish", "well")}.get(group, ())
    return Request(labels=labels, columns=columns, settings=SplitSettings(**given_settings), card=card)


def shared(groups: list, rows: np.ndarray, others: np.ndarray) -> set:
    return {groups[row] for row in rows} & {groups[row] for row in others}


@settings(max_examples=100)
@given(requests())
def test_no_group_is_in_two_parts_and_every_labeled_row_is_accounted_for(request):
    """Every way to split, with every way to name groups."""
    groups = name_groups(request.columns, request.settings, request.card)
    told, refused = division_errors(request.labels, request.columns, request.settings, request.card), ""
    for fold in range(request.settings.folds):
        try:
            division = divide(request.labels, request.columns, request.settings, fold, request.card)
        except RequestError as error:
            refused = str(error)
            break
        parts = (division.bank, division.validation, division.query)
        assert len(division.bank)
        assert len(division.query)
        every = np.concatenate([*parts, *division.left_out.values()])
        assert sorted(every) == np.flatnonzero(request.labels >= 0).tolist()
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert not shared(groups, parts[one], parts[other])
        lost = {name: {groups[row] for row in rows} for name, rows in division.left_out.items()}
        tested = {groups[row] for row in division.query} | lost.get("unknown_class", set())
        assert lost.get("group_in_test", set()) <= tested
        assert lost.get("group_in_training", set()) <= {groups[row] for row in (*division.bank, *division.validation)}
        tasks = tasks_of(
            division, request.labels, request.settings.label_fractions, fold, np.arange(len(request.labels)).astype(str)
        )
        banks = [set(task.bank.tolist()) for task in tasks]
        assert all(few <= more for few, more in pairwise(banks))
        assert banks[-1] == set(division.bank.tolist())
        taught = set(request.labels[division.bank])
        assert all(set(request.labels[task.bank]) == taught for task in tasks)
    assert bool(refused) == bool(told), refused or told


def prepared(request: Request, name: str = "x", target: str = "class") -> Prepared:
    kind = Target(kind=target, names=tuple("abcde"))
    labels = request.labels if target == "class" else np.full(len(request.labels), -1)
    return Prepared(
        key=name, name=name, modalities={}, target=kind, labels=labels, columns=request.columns, data={},
        kept=np.arange(len(labels)), groups=request.card,
    )  # fmt: skip


def divided_pool(
    rule: SplitSettings, pool: str, tables: list[Prepared], *, labels=False, share=0.1, watched="validation"
) -> list:
    """The rows of a pool whose datasets are divided by one rule."""
    is_divided, has_holdout = pool == "train" or labels, watched == "validation"
    one = DivisionInputs(settings=rule, rules=(), libraries={})
    divisions = (one,) * len(tables) if is_divided or has_holdout else ()
    inputs = PoolInputs(
        parts=(), divisions=divisions, is_divided=is_divided, fold=0, has_holdout=has_holdout, holdout_fraction=share
    )
    return divide_pool(inputs, tables, uses_labels=labels)


@settings(max_examples=100)
@given(
    requests(), st.sampled_from(["train", "all", "another"]), st.booleans(), st.booleans(),
    st.sampled_from(["class", "none"]), st.integers(0, 2**16),
)  # fmt: skip
def test_learned_and_held_out_rows_share_no_group_in_one_table_or_two(request, pool, labels, held, second, seed):
    order = np.random.default_rng(seed).permutation(len(request.labels))
    other = Request(
        labels=np.random.default_rng(seed).permutation(request.labels),
        columns={name: values[order] for name, values in request.columns.items()},
        settings=request.settings, card=request.card,
    )  # fmt: skip
    tables = [prepared(request), prepared(other, "y", second)]
    watched = "validation" if held else "training"
    try:
        found = divided_pool(request.settings, pool, tables, labels=labels, watched=watched)
        divisions = [
            divide(t.labels, t.columns, request.settings, 0, t.groups) for t in tables if (t.labels >= 0).any()
        ]
    except (RequestError, ValueError) as error:
        assume("cannot" in str(error) or "none" in str(error) or "nothing" in str(error))
        return
    groups = [name_groups(r.columns, r.settings, r.card, mark) for r, mark in ((request, "x"), (other, "y"))]
    learned = {groups[place][row] for place, (rows, _) in enumerate(found) for row in rows}
    watched = {groups[place][row] for place, (_, rows) in enumerate(found) for row in rows}
    assert not learned & watched
    assert held or not watched
    if pool == "train" or labels:
        for place, division in enumerate(divisions):
            asked = {groups[place][row] for row in (*division.query, *division.validation)}
            assert not learned & asked
    if pool == "train" and second == "none" and "split" in other.columns:
        assert not (other.columns["split"][found[1][0]] == "test").any()
    if pool != "train" and not labels and not held:
        assert all(len(rows) == len(table) for (rows, _), table in zip(found, tables, strict=True))


def crossing(samples: int = 400) -> Request:
    """Twenty dishes, each photographed by both cameras."""
    rows = np.arange(samples)
    columns = {
        "id": rows.astype(str), "camera": np.where(rows % 2, "A", "B"), "dish": (rows // 2 % 20).astype(str),
    }  # fmt: skip
    return Request(rows // 40 % 2, columns, SplitSettings(transfer="camera", bank="A", query="B", groups="dish"), ())


def test_a_transfer_learns_from_no_group_that_it_tests():
    request = crossing()
    with pytest.raises(
        RequestError, match="the groups of all 200 training samples are in the test set, so none is left"
    ):
        divide(request.labels, request.columns, request.settings, 0, ())
    dish = request.columns["dish"].astype(int)
    some = (request.columns["camera"] == "A") | (dish < 8)  # camera B saw eight of the twenty dishes
    columns = {name: values[some] for name, values in request.columns.items()}
    division = divide(request.labels[some], columns, request.settings, 0, ())
    assert set(columns["dish"][division.query]) == set("01234567")
    assert len(division.query) == 80
    assert not set(columns["dish"][division.query]) & set(columns["dish"][division.bank])
    lost = division.left_out["group_in_test"]
    assert (len(lost), len(set(columns["dish"][lost]))) == (80, 8)


def test_an_official_test_set_stays_and_its_groups_leave_training_and_validation():
    split = np.array(["train"] * 60 + ["validation"] * 20 + ["test"] * 20)
    dish = np.array(
        [*np.repeat(np.arange(20), 3), *np.repeat(np.arange(18, 22), 5), *np.repeat([0, 19, 40, 41], 5)]
    ).astype(str)
    columns = {"id": np.arange(100).astype(str), "split": split, "dish": dish}
    division = divide(np.arange(100) % 2, columns, SplitSettings(), 0, ("dish",))
    assert division.query.tolist() == list(range(80, 100))
    assert set(dish[division.bank]) == set(map(str, range(1, 19)))
    assert set(dish[division.validation]) == {"20", "21"}
    assert {reason: sorted(set(dish[rows])) for reason, rows in division.left_out.items()} == {
        "group_in_test": ["0", "19"], "group_in_training": ["18"],
    }  # fmt: skip
    without = divide(np.arange(100) % 2, columns, SplitSettings(), 0, ())
    assert len(without.bank) == 60
    assert not without.left_out


@pytest.mark.parametrize("pool", ["all", "another", "train"])
def test_held_out_rows_keep_the_users_groups_whole(pool):
    rng = np.random.default_rng(0)
    columns = {"id": np.arange(600).astype(str), "dish": rng.integers(0, 60, 600).astype(str)}
    request = Request(rng.integers(0, 2, 600), columns, SplitSettings(groups="dish"), ())
    ((learned, watched),) = divided_pool(request.settings, pool, [prepared(request)])
    assert len(watched) >= 50
    assert not set(columns["dish"][learned]) & set(columns["dish"][watched])


def test_a_pool_of_one_group_is_refused_for_a_holdout():
    request = Request(
        np.arange(60) % 2, {"id": np.arange(60).astype(str), "dish": np.full(60, "a")}, SplitSettings(groups="dish"), ()
    )
    with pytest.raises(ValueError, match=r"train\.monitor=validation: all 60 training samples are in one group"):
        divided_pool(request.settings, "all", [prepared(request)])


def test_unlabeled_rows_of_a_tested_group_or_of_another_instrument_are_not_learned_from():
    rows = np.arange(400)
    labels = np.where(rows < 200, rows % 2, -1)
    columns = {"id": rows.astype(str), "dish": (rows % 40).astype(str), "camera": np.where(rows // 100 % 2, "A", "B")}
    request = Request(labels, columns, SplitSettings(groups="dish"), ())
    division = divide(labels, columns, request.settings, 0, ())
    ((learned, _),) = divided_pool(request.settings, "train", [prepared(request)], watched="training")
    assert (labels[learned] < 0).any()
    assert set(columns["dish"][learned]) == set(columns["dish"][division.bank])
    transfer = SplitSettings(transfer="camera", bank="A", query="B")
    ((learned, _),) = divided_pool(transfer, "train", [prepared(request)], watched="training")
    assert set(columns["camera"][learned]) == {"A"}
    assert (labels[learned] < 0).sum() == 100


def test_test_samples_without_labels_are_not_learned_from():
    columns = {"id": np.arange(60).astype(str), "split": np.array(["train"] * 40 + ["test"] * 20)}
    table = prepared(Request(np.full(60, -1), columns, SplitSettings(), ()), target="none")
    for pool, rows in (("train", 40), ("all", 60)):
        ((learned, _),) = divided_pool(SplitSettings(), pool, [table], watched="training")
        assert len(learned) == rows


def test_a_group_of_the_gallery_is_no_query():
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 300), rng.integers(0, 60, 300).astype(str)
    rows, ids = np.arange(300), np.arange(300).astype(str)
    task = Task(setting={"fold": 0}, bank=rows[:100], validation=rows[100:150], query=rows[150:])
    config = GalleryConfig(source="all")
    drawn = draw_gallery(labels, ids, task, 4, config, np.random.default_rng(1), groups)
    assert len(drawn.query)
    assert not set(groups[drawn.query]) & set(groups[drawn.gallery])
    assert len(drawn.gallery) + len(drawn.query) + len(drawn.left_out) == 300
    apart = draw_gallery(labels, ids, task, 4, config, np.random.default_rng(1))
    assert np.array_equal(apart.gallery, drawn.gallery)
    assert apart.left_out is None
