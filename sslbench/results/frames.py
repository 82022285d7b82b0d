"""Records as pandas data frames: what Python users analyse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.api.errors import SslbenchError
from sslbench.results.record import Record, decode


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Results:
    """Finished runs: the records, and their numbers as tidy frames (one number a row)."""

    records: tuple[Record, ...]

    def __repr__(self) -> str:
        """What there is, not all that is in it."""
        listed = "".join(f"\n  {record.run}: {record.status}" for record in self.records)
        return f"Results of {len(self.records)} run(s): records, scores, oracles, classes{listed}"

    @property
    def scores(self) -> pd.DataFrame:
        """One row per run, dataset, protocol, seed, fold, setting and metric; nothing that was chosen on test data."""
        return _frame(self.records, "scores", lambda score: score.chosen_on != "query")

    @property
    def oracles(self) -> pd.DataFrame:
        """The same columns, for settings chosen on the test data themselves: bounds, not results."""
        return _frame(self.records, "scores", lambda score: score.chosen_on == "query")

    @property
    def classes(self) -> pd.DataFrame:
        """One row per run, dataset, protocol, seed, fold, setting and class."""
        return _frame(self.records, "classes", lambda row: True)


def _frame(records: Iterable[Record], field: str, wanted: Callable[[Any], bool]) -> pd.DataFrame:
    rows = []
    for record in records:
        backbone = "+".join(b["name"] for b in record.backbones.values())
        augmentation = "+".join(a["name"] for a in record.augmentations) or "none"
        head = {
            "run": record.run, "method": record.method["name"], "backbone": backbone or "none", "status": record.status,
            "augmentation": augmentation, "recipe": record.recipe, "pool": record.pool, "baseline": record.baseline,
        }  # fmt: skip
        rows += [{**head, **asdict(row)} for row in getattr(record, field) if wanted(row)]
    return pd.DataFrame(rows)


def read_record(path: Path) -> Record:
    """Read one record; raises SslbenchError with the file's name."""
    try:
        return decode(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SslbenchError(f"{path}: {error}") from error


def load_results(out: str | Path = "runs") -> Results:
    """Load every record below a folder."""
    return Results(records=tuple(read_record(path) for path in sorted(Path(out).glob("*/record.json"))))
