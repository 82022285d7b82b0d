"""Implement `sslbench data`: prepare, verify, where. Functions return lines and print nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sslbench import environment
from sslbench.api.errors import DataBroken, DataMissing, RequestError, SslbenchError
from sslbench.api.targets import kind_of
from sslbench.catalog.facts import Catalog
from sslbench.config.datasets import DatasetCache, Part, open_parts
from sslbench.config.plan_stages import make_prepare_inputs
from sslbench.config.request import read_request
from sslbench.config.request_schema import drop_invalid
from sslbench.config.settings import ViewSettings
from sslbench.config.sizes import default_canvas, default_view
from sslbench.convert import convert
from sslbench.data.canvas import PrepareSettings, find_unused_sampling
from sslbench.data.prepare import prepare
from sslbench.data.splits import SplitSettings
from sslbench.data.summary import DataSummary, describe_summary, summarize_data
from sslbench.data.table import open_prepared
from sslbench.progress import Display
from sslbench.results.store import Store
from sslbench.stages.lease import Leases
from sslbench.stages.stage import clear_failure, load_failure, make_stage


def open_dataset(
    catalog: Catalog, dataset: str, overrides: Sequence[str], *, fetch: bool = True
) -> tuple[list[Part], PrepareSettings, int]:
    """Open a dataset's parts; return them with the settings of preparation and the canvas size.

    Raises RequestError with every problem, or DataMissing.
    """
    problems: list[str] = []
    tree = drop_invalid(read_request(None, {"data": {"name": dataset}}, overrides), problems)
    if problems:
        raise RequestError(problems)
    settings = {k: v for k, v in tree["data"].items() if k != "name"}
    found = open_parts(catalog, tree["data"]["name"], settings, DatasetCache(environment.places()), fetch=fetch)
    prepare_settings = convert(tree.get("prepare") or {}, PrepareSettings, "prepare", found.problems)
    view = convert(tree.get("view") or {}, ViewSettings, "view", found.problems).size
    found.problems += find_unused_sampling(prepare_settings)
    if found.problems:
        raise RequestError([*found.problems, *found.missing])
    if found.missing:
        raise DataMissing("\n".join(found.missing))
    parts = [part.subset(prepare_settings.samples, prepare_settings.sampling) for part in found.parts]
    return parts, prepare_settings, prepare_settings.size or default_canvas(view or default_view(parts), parts)


def prepare_all(catalog: Catalog, dataset: str, overrides: Sequence[str], display: Display) -> list[str]:
    """Prepare every named part, and return lines about the results."""
    parts, settings, canvas = open_dataset(catalog, dataset, overrides)
    lines = []
    for part in parts:
        folder = prepared_folder(part, settings, canvas, display)
        table = open_prepared(folder, part.name)
        shapes = ", ".join(f"{n} {m.code.stored(m, canvas).shape}" for n, m in part.dataset.modalities.items())
        lines.append(f"{part.name}: {len(table):,} samples, {len(table.target.names)} classes, {shapes}, in {folder}")
        if table.unreadable:
            lines.append(f"{part.name}: {len(table.unreadable)} unreadable sample(s) left out:")
            lines += [f"  {sentence}" for sentence in table.unreadable]
    return lines


def prepared_folder(part: Part, settings: PrepareSettings, canvas: int, display: Display) -> Path:
    """Return the folder of a prepared part; prepares it, or waits for another process that does."""
    inputs = make_prepare_inputs(part, settings, canvas)
    folder = Store(root=Path()).prepared / inputs.key

    def make(scratch: Path) -> None:
        with display.stage(f"prepare {part.name}") as live:
            prepare(inputs, part.name, scratch, live.report_count)

    clear_failure(folder)
    make_stage(folder, f"prepare {part.name}", make, Leases(), display.log)
    if failure := load_failure(folder):
        raise DataBroken(failure.reason) if failure.code == DataBroken.exit_code else SslbenchError(failure.reason)
    return folder


def verify(catalog: Catalog, dataset: str, overrides: Sequence[str]) -> tuple[list[str], bool]:
    """Compare counts with those of the card, and read every sample once; return lines and whether all is correct."""
    parts, _, _ = open_dataset(catalog, dataset, overrides)
    lines, good = [], True
    for part in parts:
        expected = part.choice.spec.card.counts.get(part.part, {})
        target, labels = part.dataset.target, part.dataset.labels
        names, counts = target.names, kind_of(target).count(labels, target.names).tolist()
        found = dict(zip(names, counts, strict=True))
        wrong = [
            f"{part.name}: class {name!r} has {found.get(name, 0)} samples, expected {count}"
            for name, count in expected.items()
            if found.get(name, 0) != count
        ]
        wrong += [f"{part.name}: class {name!r} is not expected" for name in found if expected and name not in expected]
        totals = part.choice.spec.card.totals.get(part.part, (0, 0))
        wrong += [
            f"{part.name}: {actual:,} {unit}, expected {count:,}"
            for unit, actual, count in zip(("samples", "classes"), (len(labels), len(names)), totals, strict=True)
            if count and actual != count
        ]
        broken = _unreadable(part)
        good = good and not wrong and not broken
        lines += [*wrong, *broken]
        verdict = f"{len(broken)} unreadable" if broken else "all readable"
        if expected or any(totals):
            verdict += ", counts differ from the expected ones" if wrong else ", counts as expected"
        lines += [*describe_summary(_summary(part)), f"{part.name}: {verdict}"]
    return lines, good


def _unreadable(part: Part) -> list[str]:
    lines = []
    for row in range(len(part.dataset.labels)):
        try:
            part.dataset.read(row, np.random.default_rng(row))
        except Exception as error:  # decoders raise many types
            lines.append(f"{part.name}: {part.dataset.columns['id'][row]} cannot be read: {error}")
    return lines


def locate(catalog: Catalog, dataset: str, overrides: Sequence[str]) -> list[str]:
    """Return lines about a dataset's files and contents; raises DataMissing that lists the searched folders."""
    places = environment.places()
    parts, _, _ = open_dataset(catalog, dataset, overrides, fetch=False)
    lines = []
    for part in parts:
        root = getattr(part.dataset, "root", None)
        embedded = part.choice.spec.card.embedded
        inside = f"in {root}" if root is not None else "comes with a dependency" if embedded else "in the folders below"
        lines += [*describe_summary(_summary(part)), f"  found {inside}"]
    sources = ", ".join(map(str, places.sources)) or "none"
    searched = f"searched data.root, then $SSLBENCH_SOURCES ({sources}), then $SSLBENCH_DATA ({places.data})"
    return [*lines, searched]


def _summary(part: Part) -> DataSummary:
    return summarize_data(part.name, part.dataset, SplitSettings(), part.choice.spec.card.groups)
