"""What a run shows of clusters that were scored against a column of the data."""

from __future__ import annotations

import io

from PIL import Image
from rich.console import Console

import sslbench
from sslbench.catalog.metrics import core_metrics
from sslbench.report.console.terminal import show_results
from tests.conftest import TINY


def test_clusters_against_a_column_are_shown_next_to_those_against_classes(tmp_path, capsys):
    from sklearn.datasets import load_digits

    for place, (scan, label) in enumerate(
        zip(*(load_digits()[name][:120] for name in ("images", "target")), strict=True)
    ):
        folder = tmp_path / "scans" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((scan * 15).astype("uint8")).save(folder / f"pen-{place % 2}-{place}.png")
    settings = {
        **TINY,
        "seeds": [0],
        "view.size": 8,
        "data.root": str(tmp_path / "scans"),
        "data.columns.pen": "pen-([01])",
    }
    settings |= {
        "protocols": ["clustering"],
        "baselines": "none",
        "protocol_settings.clustering.also_score_against": ["pen"],
    }
    results = sslbench.run("raw-features", "image-folder", out=tmp_path / "runs", settings=settings)
    records = results.records
    assert records[0].status == "done", records[0].reason
    console = Console(width=160, file=io.StringIO())
    show_results(console, results, core_metrics())
    lines = [line.split() for line in console.file.getvalue().splitlines() if line.startswith(records[0].run)]
    assert [line[2] for line in lines] == ["class", "pen"]
    assert all(len(line) == 7 for line in lines), lines  # run, dataset, what, ami, max, score, null
