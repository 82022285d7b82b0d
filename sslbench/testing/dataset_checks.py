"""Check the contract of a dataset. Checks that need its files do not apply if the files are missing."""

from __future__ import annotations

import copy
import re
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sslbench.api.errors import DataMissing, RequestError
from sslbench.api.specs import Dataset, DatasetCard, Source
from sslbench.api.targets import kind_of
from sslbench.config.choices import choose
from sslbench.config.datasets import DatasetCache, modality_errors
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.request import read_request
from sslbench.convert import to_plain
from sslbench.data.groups import group_key
from sslbench.data.label_lists import LabelList, find_list_problems
from sslbench.data.official_splits import PARTS, count_official_splits
from sslbench.data.splits import SplitSettings, divide, division_errors, has_official_split, is_labeled
from sslbench.environment import places
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.method_rig import rig_of

N_ROWS, SIDE = 12, 16


def open_dataset(subject: Subject) -> Dataset:
    """Open the first part, with smoke settings if these find it, else with the defaults."""
    return _open_first_part(subject)[1]


def _open_first_part(subject: Subject) -> tuple[Any, Dataset]:
    """Return the settings that find the first part, and that part."""
    spec, reasons = subject.spec, []
    for settings in (spec.smoke, spec.config()):
        choice = choose(subject.catalog, "dataset", spec.name, to_plain(settings), "data", [])
        try:
            return settings, DatasetCache(places()).open(choice, spec.parts(settings)[0], fetch=False)  # type: ignore[arg-type]
        except DataMissing as missing:
            reasons.append(str(missing))
    raise NotApplicable(f"its files are missing: {reasons[-1]}")


def some_rows(dataset: Dataset) -> list[int]:
    """Return rows spread over the dataset."""
    return sorted({int(row) for row in np.linspace(0, len(dataset.labels) - 1, N_ROWS)})


def read(dataset: Dataset, row: int) -> dict[str, Any]:
    """Read one sample, with the random generator of a run."""
    return dict(dataset.read(row, np.random.default_rng([1, row])))


@check(
    "dataset",
    change="raise DataMissing with the folders searched; sslbench adds how to obtain the data",
    needs=("has_an_implementation",),
)
def raises_when_files_are_missing(subject: Subject) -> Iterator[str]:
    """Users without the files need to know where they were searched, not a traceback."""
    spec = subject.spec
    if spec.card.embedded:
        raise NotApplicable("is embedded")
    with tempfile.TemporaryDirectory(prefix="sslbench-kit-") as folder:
        source = Source(
            root=None, folders=(Path(folder),), work=Path(folder), part=spec.parts(spec.smoke)[0], fetch=False
        )
        try:
            subject.component.implementation()(spec.smoke, source)
        except DataMissing:
            return
        except RequestError:
            raise NotApplicable("needs settings before it reads a file") from None
    yield "the implementation does not raise DataMissing if there are no files"


@check("dataset", change="fill license, source and obtain of the card", tier="advised")
def has_a_complete_card(subject: Subject) -> Iterator[str]:
    """Users must know the license and source of data before they use it."""
    card = subject.spec.card
    yield from (f"card.{name} is empty" for name in ("license", "source", "obtain") if not getattr(card, name).strip())


@check(
    "dataset",
    change="provide the labels that the target states, one value of every column per sample, and unique ids",
    needs=("has_an_implementation",),
)
def has_valid_columns(subject: Subject) -> Iterator[str]:
    """Splits, groups and predictions are matched by these columns."""
    dataset = open_dataset(subject)
    rows = len(dataset.labels)
    yield from (
        f"column {n!r} has {len(v)} values for {rows} samples" for n, v in dataset.columns.items() if len(v) != rows
    )
    ids = Counter(np.asarray(dataset.columns.get("id", [])).tolist())
    if not ids:
        yield "has no column 'id'"
    elif (most_common := ids.most_common(1)[0])[1] > 1:
        yield f"the id {most_common[0]!r} occurs {most_common[1]} times"
    yield from kind_of(dataset.target).find_errors(dataset.labels, dataset.target.names)
    yield from _column_errors(dataset)
    missing = [name for name in subject.spec.card.groups if name not in dataset.columns]
    yield from (f"the card's group {name!r} is not a column" for name in missing)


def _column_errors(dataset: Dataset) -> Iterator[str]:
    """Yield columns that are no text, names of the target that occur twice, and optional members of a wrong shape."""
    rows = len(dataset.labels)
    for name, values in dataset.columns.items():
        if np.asarray(values).dtype.kind != "U":
            yield f"column {name!r} contains {np.asarray(values).dtype}, not text"
    names = Counter(dataset.target.names)
    yield from (f"the target has the name {name!r} {count} times" for name, count in names.items() if count > 1)
    if (sizes := getattr(dataset, "sizes", None)) is not None and np.shape(sizes) != (rows, 2):
        yield f"sizes has shape {np.shape(sizes)}, not ({rows}, 2)"


@check(
    "dataset",
    change="list ids of labeled training samples, each once, and some of every class",
    needs=("has_valid_columns",),
)
def offers_usable_label_lists(subject: Subject) -> Iterator[str]:
    """Users train on a published subset of the labels by its name alone."""
    dataset, splits, groups = open_dataset(subject), SplitSettings(), subject.spec.card.groups
    lists = getattr(dataset, "label_lists", {})
    if not lists:
        raise NotApplicable("offers no lists of labels")
    labels, columns = dataset.labels, dataset.columns
    is_official = has_official_split(labels, columns, splits)
    divisions = {0: divide(labels, columns, splits, 0, groups)} if is_official else {}
    key = group_key(columns, splits, groups)
    for name, ids in lists.items():
        subset = LabelList(name=name, ids=tuple(map(str, ids)))
        yield from find_list_problems(subset, columns["id"], labels, dataset.target.names, divisions, key)


@check("dataset", change="correct the reader, or the counts of the card", needs=("has_valid_columns",))
def matches_the_counts_of_its_card(subject: Subject) -> Iterator[str]:
    """A reader that drops or duplicates files makes results incomparable."""
    known = subject.spec.card.counts.get(subject.spec.parts(subject.spec.smoke)[0])
    if not known:
        raise NotApplicable("its card has no counts")
    dataset = open_dataset(subject)
    target = dataset.target
    for name, found in zip(target.names, kind_of(target).count(dataset.labels, target.names).tolist(), strict=True):
        if found != known.get(name, 0):
            yield f"{kind_of(target).unit} {name!r} has {found} samples, but {known.get(name, 0)} on the card"


@check(
    "dataset",
    change="return samples in the shapes and types of `modalities`: images uint8 and others float32 if these state no dtype",
    needs=("has_valid_columns",),
)
def reads_announced_shapes(subject: Subject) -> Iterator[str]:
    """Storage is allocated from the announced shapes; a sample that differs is left out as unreadable."""
    dataset = open_dataset(subject)
    layouts = {component.name for component in subject.catalog.all("layout")}
    known = {name: modality for name, modality in dataset.modalities.items() if modality.layout in layouts}
    for row in some_rows(dataset):
        sample = read(dataset, row)
        for name, modality in known.items():
            value, wanted = sample.get(name), np.dtype(modality.stored_dtype)
            if value is None:
                yield f"row {row} has no {name!r}"
            elif (
                value.dtype != wanted
                or value.ndim != len(modality.shape)
                or any(side not in (0, found) for side, found in zip(modality.shape, value.shape, strict=False))
            ):
                yield f"row {row}: {name!r} is {value.dtype} {value.shape}; announced {modality.shape} of {wanted}"
            elif not np.isfinite(value).all():
                yield f"row {row}: {name!r} is not finite"


@check(
    "dataset",
    change="return every fact of `Modality.facts` as '<modality>.<fact>': a number, or one entry per step",
    needs=("reads_announced_shapes",),
)
def reads_announced_facts(subject: Subject) -> Iterator[str]:
    """Facts are stored with the samples, and methods and operations rely on them."""
    dataset = open_dataset(subject)
    for row in some_rows(dataset):
        sample = read(dataset, row)
        for name, modality in dataset.modalities.items():
            yield from (f"row {row}: {error}" for error in modality.find_fact_errors(name, sample))


@check(
    "dataset",
    change="announce a layout, a shape, a target and a split that runs support, or raise RequestError",
    needs=("uses_known_names", "reads_announced_facts"),
)
def is_usable_in_a_run(subject: Subject) -> Iterator[str]:
    """A dataset must also be planned, prepared and encoded by a run."""
    settings, dataset = _open_first_part(subject)
    if unusable := [*modality_errors(subject.catalog, dataset.modalities), *_unusable(dataset, subject.spec.card)]:
        yield from unusable
        return
    if is_labeled(dataset.labels).any():
        yield from division_errors(dataset.labels, dataset.columns, SplitSettings(), subject.spec.card.groups)
    for name in dataset.modalities:
        try:
            plan = _plan(subject, settings, name)
        except RequestError as error:
            yield from (f"{name!r}: {problem}" for problem in error.problems)
            continue
        rig = rig_of(plan)
        method = rig.build()
        embedded = [features for _, view in rig.feed().unaugmented_pass()() for features in method.embed(view).values()]
        if not all(features.isfinite().all() for features in embedded):
            yield f"{name!r}: the features of an untrained encoder are not finite"


def _unusable(dataset: Dataset, card: DatasetCard) -> Iterator[str]:
    """Yield faults of a dataset that a run would not notice, such as unusable modality names."""
    for name, modality in dataset.modalities.items():
        if not re.fullmatch(r"\w[\w-]*", name):
            yield f"the modality name {name!r} cannot be used in settings; use letters, digits, '_' and '-'"
        announced = card.modalities.get(name, modality)
        if (announced.layout, len(announced.shape)) != (modality.layout, len(modality.shape)):
            announcement = f"the card announces {name!r} as {announced.layout} of {len(announced.shape)} dimensions"
            yield f"{announcement}, the data as {modality.layout} of {len(modality.shape)}"
    if card.modalities and card.modalities.keys() != dataset.modalities.keys():
        yield f"the card announces {', '.join(card.modalities)}; the data has {', '.join(dataset.modalities)}"
    official = [name for name in dataset.columns if name == "split" or name.startswith("split.")]
    for name in official:
        for value in sorted({*dataset.columns[name].tolist()} - {"", *PARTS}):
            yield f"column {name!r} contains {value!r}, which no run uses; use train, validation or test"
    if len(official) != count_official_splits(dataset.columns):
        yield f"columns {', '.join(official)}: no run uses all of them; use 'split' alone, or 'split.0', 'split.1', ... "


def _plan(subject: Subject, settings: Any, modality: str) -> Plan:
    """Plan a run of the kit's untrained encoder on one modality of some samples.

    Raises RequestError with the problems of the plan.
    """
    spec = subject.spec
    part = "/".join(filter(None, (spec.name, spec.parts(settings)[0])))
    request = {
        "method": {"name": "kit-as-is"}, "data": {**to_plain(settings), "name": part}, "seeds": [0], "recipe": "none",
        "protocols": [], "backbones": {modality: {"name": "kit-encoder"}}, "prepare": {"samples": N_ROWS},
        "splits": {"groups": "none"},  # so few samples may be of one group
        "train": {"batch_size": 2, "precision": "float32"}, "view": {"size": SIDE},
    }  # fmt: skip
    machine = Machine(threads=1, precision="float32")
    return make_plan(read_request(None, request, []), subject.catalog, DatasetCache(places()), machine)


@check(
    "dataset",
    change="sort folders and dictionaries, draw from the generator passed to read(), and return a new array in every call",
    needs=("reads_announced_shapes",),
)
def is_reproducible(subject: Subject) -> Iterator[str]:
    """Row numbers, splits and fingerprints must agree between machines and days."""
    first, second = open_dataset(subject), open_dataset(subject)
    if first.fingerprint() != second.fingerprint():
        yield "the fingerprint differs between two openings"
    if not np.array_equal(first.labels, second.labels, equal_nan=first.labels.dtype.kind == "f"):
        yield "the labels differ between two openings"
    for name, values in first.columns.items():
        if not np.array_equal(values, second.columns[name]):
            yield f"column {name!r} differs between two openings"
    rows = some_rows(first)
    samples, copies = dict[int, Any](), dict[int, Any]()
    for row in rows:
        samples[row] = read(first, row)
        copies[row] = copy.deepcopy(samples[row])
    backward = {row: copy.deepcopy(read(second, row)) for row in reversed(rows)}
    for what, others in (
        ("changes when other rows are read", samples),
        ("differs in another order of reading", backward),
    ):
        for row, sample in copies.items():
            other = others[row]
            wrong = [name for name in sample if name not in other or not np.array_equal(sample[name], other[name])]
            yield from (f"row {row}: {name!r} {what}" for name in wrong)


@check(
    "dataset",
    change="do not keep an open file or buffer between calls of read(), or lock it",
    needs=("is_reproducible",),
)
def is_thread_safe(subject: Subject) -> Iterator[str]:
    """Data is prepared by several threads that share one dataset."""
    dataset = open_dataset(subject)
    rows = some_rows(dataset) * 4
    expected = {row: read(dataset, row) for row in set(rows)}
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda row: read(dataset, row), rows))
    wrong = {r for r, s in zip(rows, found, strict=True) if any(not np.array_equal(expected[r][n], s[n]) for n in s)}
    yield from (f"row {row} differs when several threads read" for row in sorted(wrong))


@check(
    "dataset",
    change="download while the dataset is opened, only where source.fetch allows it and files are missing",
    needs=("reads_announced_shapes",),
)
def works_offline(subject: Subject) -> Iterator[str]:
    """Compute nodes have no network, and a benchmark must not depend on a server."""
    with _no_network() as addresses:
        dataset = open_dataset(subject)
        for row in some_rows(dataset):
            read(dataset, row)
    yield from (f"connects to {address}" for address in dict.fromkeys(addresses))


@contextmanager
def _no_network() -> Iterator[list[str]]:
    """Refuse every connection, and list the addresses."""
    addresses: list[str] = []
    real = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_UNIX:
            real(self, address)
            return
        addresses.append(str(address))
        raise ConnectionRefusedError("the conformance kit allows no network connection")

    socket.socket.connect = refuse  # type: ignore[method-assign,assignment]
    try:
        yield addresses
    finally:
        socket.socket.connect = real  # type: ignore[method-assign]
