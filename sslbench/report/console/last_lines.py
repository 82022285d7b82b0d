"""The last lines of `run`: what lies in the folder, the best file first, and what to do with it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from sslbench.results.frames import Results
from sslbench.results.store import PREDICTIONS

FILES = {
    "record.json": "every number, with versions, seeds and cost",
    PREDICTIONS: "the prediction for every test sample",
    "card.md": "what the encoder is and takes",
}
"""Files of a run's folder that are named, in this order, where they are there."""


def last_lines(results: Results, page: Path | None, out: Path) -> Iterator[str]:
    """Name the page first, then the other files, the export and the comparison with another run."""
    run = results.records[0].run
    folder = out / run
    yield f"results: {folder}"
    named = (
        {} if page is None else {page.name: "open it in a browser: tables, classes, confusions, misclassified images"}
    )
    named |= {name: about for name, about in FILES.items() if (folder / name).exists()}
    widest = max(map(len, named), default=0)
    yield from (f"  {name.ljust(widest)}  {about}" for name, about in named.items())
    if any(folder.glob("encoder-*.safetensors")) and any(one.get("encoders") for one in results.records[0].training):
        yield f"encoder for use outside sslbench: sslbench export {shlex.quote(str(folder))}"
    done = [record.run for record in results.records if record.status == "done"]
    if len(done) > 1:
        pair = " ".join(shlex.quote(str(out / name)) for name in done[:2])
        yield f"two runs class by class: sslbench compare {pair}"
