"""The table of speed: rows are replaced one by one, and each states where it was measured and whether its aim was met."""

from __future__ import annotations

import pytest

from benchmarks.speed.figures import TABLE, Figure, keep


@pytest.mark.parametrize(
    ("found", "better", "aim", "verdict"),
    [(2.0, "more", 1.6, "met"), (1.5, "more", 1.6, "MISSED"), (0.2, "less", 0.3, "met"), (0.4, "less", 0.3, "MISSED"),
     (9.0, "more", None, "")],
)  # fmt: skip
def test_an_aim_is_met_or_missed(found, better, aim, verdict):
    assert Figure(what="a", against="b", found=found, better=better, aim=aim).verdict == verdict


def test_a_run_of_some_replaces_their_rows_and_keeps_the_others(tmp_path, monkeypatch):
    first = Figure(what="probes", against="one after another", found=12.0, aim=10, unit="x", note="quiet")
    keep(tmp_path, [first, Figure(what="help", against="torch", found=0.2, better="less", aim=0.3)])
    monkeypatch.setattr("benchmarks.speed.figures.machine", lambda: "another machine")
    keep(tmp_path, [Figure(what="help", against="torch", found=0.5, better="less", aim=0.3)])
    lines = (tmp_path / TABLE).read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and "---" not in line][1:]
    assert rows[0].startswith("| help | torch | 0.5 | <= 0.3 | MISSED |  | 1 |")
    assert rows[1].startswith("| probes | one after another | 12x | >= 10x | met | quiet | 2 |")
    assert len(rows) == 2
    assert any(line.startswith("1. another machine; Python ") for line in lines)
