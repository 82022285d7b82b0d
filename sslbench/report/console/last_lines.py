"""Describe the files of a finished run and the next commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from sslbench.results.frames import Results
from sslbench.results.store import PREDICTIONS, VECTORS

FILES = {
    "record.json": "every number, with versions, seeds and cost",
    PREDICTIONS: "the prediction for every test sample",
    VECTORS: "the scores or numbers predicted for every test sample",
    "card.md": "description of the encoder and its input",
}
"""Files of a run's folder with their descriptions, in the order in which they are listed."""


def last_lines(results: Results, page: Path | None, out: Path) -> Iterator[str]:
    """Yield the page, the other files, and commands to export the encoder and compare runs."""
    run = results.records[0].run
    folder = out / run
    yield f"results: {folder}"
    files = (
        {} if page is None else {page.name: "open it in a browser: tables, classes, confusions, misclassified images"}
    )
    files |= {name: description for name, description in FILES.items() if (folder / name).exists()}
    widest = max(map(len, files), default=0)
    yield from (f"  {name.ljust(widest)}  {description}" for name, description in files.items())
    if any(folder.glob("encoder-*.safetensors")) and any(one.get("encoders") for one in results.records[0].training):
        yield f"export the encoder: sslbench export {shlex.quote(str(folder))}"
    done = [record.run for record in results.records if record.status == "done"]
    if len(done) > 1:
        pair = " ".join(shlex.quote(str(out / name)) for name in done[:2])
        yield f"compare two runs by class: sslbench compare {pair}"
