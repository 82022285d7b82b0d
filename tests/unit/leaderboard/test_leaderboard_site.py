"""Build the tables and pages of a leaderboard: reproducible bytes, correct numbers, valid pages."""

from __future__ import annotations

import csv
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sslbench.api.errors import RequestError
from sslbench.catalog.metrics import core_metrics
from sslbench.leaderboard.site.build import build
from sslbench.leaderboard.site.tables import csv as csv_of
from sslbench.leaderboard.submission.check import check_bundle
from sslbench.leaderboard.submission.suite import read_suite
from sslbench.leaderboard.submission.versions import installed_protocols
from sslbench.protocols.diagnostics import sslbench_protocols
from sslbench.results.frames import read_record
from tests.board_fixtures import HOSTILE, INSTALLED, NO_PLUGINS, bundle_of, edit_json, rehash
from tests.html_checker import HtmlChecker


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def files(board: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(board)): p.read_bytes() for root in ("site", "tables") for p in (board / root).rglob("*.*")
    }


def test_building_twice_gives_the_same_bytes_and_lists_stale_files(board, tmp_path):
    (tmp_path / "README.md").write_text(
        "# Mine\n\n<!-- leaderboard: small -->\nold\n<!-- /leaderboard: small -->\n\nmore\n"
    )
    page = tmp_path / "docs/leaderboard.md"
    page.parent.mkdir()
    page.write_text("<!-- leaderboard: small -->\n<!-- /leaderboard: small -->\n")
    stale = build(board, INSTALLED, write=False)
    assert "site/index.html" in stale.changed
    assert {"../README.md", "../docs/leaderboard.md"} <= set(stale.changed)
    assert not (board / "site").exists()
    build(board, INSTALLED, write=True)
    first = files(board)
    again = build(board, INSTALLED, write=True)
    assert (again.changed, again.removed) == ((), ())
    shutil.rmtree(board / "site")
    build(board, INSTALLED, write=True)
    assert files(board) == first
    (board / "site/old.html").write_text("x")
    (board / "tables/small.csv").write_text("x")
    stale = build(board, INSTALLED, write=False)
    assert (stale.changed, stale.removed) == (("tables/small.csv",), ("site/old.html",))
    build(board, INSTALLED, write=True)
    assert files(board) == first
    assert "| raw-features (no backbone) |" in page.read_text()
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# Mine\n\n<!-- leaderboard: small -->\n\n| entry | digits |")
    assert "raw-features (no backbone)" in text
    assert "old" not in text
    assert text.endswith("<!-- /leaderboard: small -->\n\nmore\n")


def test_the_board_has_the_numbers_of_the_records(board):
    build(board, NO_PLUGINS, write=True)
    rows = rows_of(board / "tables/small.csv")
    assert {(row["protocol"], row["entry"].split()[0]) for row in rows} == {
        (p, m) for p in ("knn", "linear") for m in ("simclr", "random-init", "raw-features", "supervised")
    }
    for row in rows:
        record = read_record(bundle_of(board, row["method"]) / "record.json")
        for column in ("macro_accuracy", "micro_accuracy"):
            own = [
                s.value for s in record.scores
                if (s.protocol, s.metric) == (row["protocol"], column) and s.chosen_on != "query" and "fraction" not in s.setting
            ]  # fmt: skip
            assert float(row[column]) == pytest.approx(np.mean(own), abs=1e-4)
        classes = [c for c in record.classes if c.protocol == row["protocol"] and "fraction" not in c.setting]
        recalls = {name: np.mean([c.recall for c in classes if c.name == name]) for name in {c.name for c in classes}}
        assert float(row["worst_recall"]) == pytest.approx(min(recalls.values()), abs=1e-4)
        ami = np.mean([s.value for s in record.scores if s.metric == "ami_max"])
        assert float(row["ami_max"]) == pytest.approx(ami, abs=1e-4)
        assert 1 <= int(row["rank_low"]) <= int(row["rank_high"]) <= 4
    by_name = {(row["protocol"], row["method"]): row for row in rows}
    assert by_name["knn", "supervised"]["to_supervised"] == ""
    gap = float(by_name["knn", "raw-features"]["macro_accuracy"]) - float(
        by_name["knn", "supervised"]["macro_accuracy"]
    )
    assert float(by_name["knn", "raw-features"]["to_supervised"]) == pytest.approx(gap, abs=2e-4)
    assert by_name["knn", "raw-features"]["rank"] == "1"
    classes = rows_of(board / "tables/small-classes.csv")
    assert len(classes) == 4 * 2 * 10
    every = [row for row in rows_of(board / "tables/small-bias.csv") if row["protocol"] == "knn"]
    gaps = [row for row in every if row["against"]]
    assert (len(every), len(gaps)) == (4 * 10, 3 * 10)
    mean = np.mean([float(row["gap"]) for row in gaps if row["entry"].startswith("raw")])
    assert mean == pytest.approx(float(by_name["knn", "raw-features"]["to_supervised"]), abs=2e-4)
    won = [
        row for row in gaps if row["entry"].startswith("raw") and float(row["p_holm"]) < 0.05 and float(row["gap"]) > 0
    ]
    assert won  # of a supervised row that was trained for one epoch
    best = max(won, key=lambda row: float(row["gap"]))
    assert (
        f'{best["class"]} <span class="aside">{float(best["gap"]):+.2f}</span>'
        in (board / "site/small/bias.html").read_text()
    )
    for name in ("wins", "wins-welch", "gains", "protocols", "spread"):
        assert rows_of(board / f"tables/small-{name}.csv"), name
    spread = rows_of(board / "tables/small-spread.csv")
    assert {row["probe"] == "" for row in spread if row["protocol"] == "linear"} == {False}  # two probes a seed


def test_each_board_has_a_page_of_the_classes_that_entries_lose(board):
    """Differences are those of the recalls, and p is that of the same pair of entries seen from the other side."""
    build(board, NO_PLUGINS, write=True)
    tables = {name: rows_of(board / f"tables/small{name}.csv") for name in ("", "-classes", "-bias", "-differences")}
    best = {row["protocol"]: row["entry"] for row in reversed(tables[""])}
    recalls = {(row["protocol"], row["entry"], row["class"]): float(row["recall"]) for row in tables["-classes"]}
    bias = {(row["protocol"], row["entry"], row["against"], row["class"]): row for row in tables["-bias"]}
    assert len(tables["-differences"]) == 2 * 3 * 10
    shared = 0
    for row in tables["-differences"]:
        protocol, name = row["protocol"], row["class"]
        assert row["against"] == best[protocol] != row["entry"]
        gap = recalls[protocol, row["entry"], name] - recalls[protocol, best[protocol], name]
        assert float(row["gap"]) == pytest.approx(gap, abs=2e-4)
        if (other := bias.get((protocol, row["against"], row["entry"], name))) is not None:
            assert float(other["gap"]) == -float(row["gap"])
            assert other["p_holm"] == row["p_holm"]
            shared += 1
    assert shared
    index = (board / "site/small/index.html").read_text()
    for protocol in ("knn", "linear"):
        assert f'href="differences/digits-{protocol}.html"' in index
        page = (board / f"site/small/differences/digits-{protocol}.html").read_text()
        heat_map = page[page.index("Compared with the best entry") : page.index("<h3>Significant differences")]
        own = [row for row in tables["-differences"] if row["protocol"] == protocol]
        significant = [row for row in own if float(row["p_holm"]) < 0.05]
        assert significant
        assert heat_map.count("*</td>") == len(significant)
        for row in significant:
            color, text = "loss" if float(row["gap"]) < 0 else "gain", f"{float(row['gap']):+.2f}"
            assert re.search(rf'<td class="{color}-\d+">{re.escape(text)}\*<', heat_map), row


def test_another_row_does_not_change_numbers(board):
    build(board, NO_PLUGINS, write=True)
    before = {(r["protocol"], r["entry"]): r for r in rows_of(board / "tables/small.csv")}
    shutil.rmtree(bundle_of(board, "simclr"))
    build(board, NO_PLUGINS, write=True)
    rows = rows_of(board / "tables/small.csv")
    assert len(rows) == 6  # of three methods, by two protocols
    for row in rows:
        old = before[row["protocol"], row["entry"]]
        for column in (
            "macro_accuracy",
            "macro_accuracy_ci95_half_width",
            "micro_accuracy",
            "micro_accuracy_ci95_half_width",
            "ami_max",
            "ami_max_ci95_half_width",
            "to_supervised",
            "to_supervised_ci95_half_width",
        ):
            assert row[column] == old[column]


def test_collapsed_runs_are_shown_and_not_ranked(board):
    bundle = bundle_of(board, "simclr")
    edit_json(bundle / "record.json", lambda r: r.update(status="collapsed"))
    rehash(bundle)
    build(board, NO_PLUGINS, write=True)
    rows = [row for row in rows_of(board / "tables/small.csv") if row["method"] == "simclr"]
    assert [row["rank"] for row in rows] == ["", ""]
    assert "(collapsed)" in (board / "site/small/index.html").read_text()
    assert all(int(row["rank_high"]) <= 3 for row in rows_of(board / "tables/small.csv") if row["rank"])


def test_a_board_without_ranked_entries_has_no_comparisons(board):
    (board.parent / "README.md").write_text("<!-- leaderboard: small -->\n<!-- /leaderboard: small -->\n")
    for bundle in (board / "results/small").iterdir():
        edit_json(bundle / "record.json", lambda r: r.update(status="collapsed"))
        rehash(bundle)
    build(board, NO_PLUGINS, write=True)
    assert "No ranked entry yet." in (board.parent / "README.md").read_text()
    assert {row["rank"] for row in rows_of(board / "tables/small.csv")} == {""}
    made = {path.stem for path in (board / "tables").glob("small-*.csv")}
    assert made == {"small-classes", "small-labels"}
    assert not (board / "site/small/differences").exists()
    assert "Class differences" not in (board / "site/small/index.html").read_text()


def test_published_rows_are_marked_and_have_a_verdict(board):
    build(board, INSTALLED, write=True)
    page = (board / "site/small/index.html").read_text()
    assert "published: a table of somebody&#39;s; under recipe quick; their digits are larger" in page
    assert 'href="https://example.org/paper"' in page
    assert "train.epochs = 1, not 300" in page
    assert "below by" in page
    assert "0.99" not in (board / "tables/small.csv").read_text()


def test_a_build_refuses_bundles_with_schema_errors(board):
    bundle = bundle_of(board, "simclr")
    edit_json(bundle / "record.json", lambda r: r["method"].update(name=HOSTILE))
    rehash(bundle)
    with pytest.raises(RequestError, match="is not a valid name"):
        build(board, NO_PLUGINS, write=True)
    (bundle / "record.json").write_text("{")
    with pytest.raises(RequestError, match="cannot be read as JSON"):
        build(board, NO_PLUGINS, write=True)


def test_a_build_refuses_two_bundles_of_one_name(board):
    bundle = bundle_of(board, "simclr")
    other = Path(shutil.copytree(bundle, bundle.with_name(f"{bundle.name[:-1]}z")))
    edit_json(other / "record.json", lambda r: r.update(run=other.name))
    edit_json(other / "manifest.json", lambda m: m.update(run=other.name))
    rehash(other)
    with pytest.raises(RequestError, match=r"both have entry name 'simclr \(micro-cnn\)' on digits. Rename one"):
        build(board, NO_PLUGINS, write=True)


def test_gains_are_over_the_supervised_row_of_the_same_backbone(board):
    build(board, NO_PLUGINS, write=True)
    before = rows_of(board / "tables/small-gains.csv")
    bundle = bundle_of(board, "supervised")
    other = Path(shutil.copytree(bundle, bundle.with_name(f"supervised-micro-vit-{bundle.name[-10:]}")))
    (other / "answers.json").write_bytes((bundle_of(board, "random-init") / "answers.json").read_bytes())
    edit_json(
        other / "record.json",
        lambda r: (r.update(run=other.name), r["backbones"]["image"].update(name="micro-vit"), r)[2],
    )
    edit_json(other / "manifest.json", lambda m: m.update(run=other.name, entry="supervised (micro-vit)"))
    rehash(other)
    build(board, NO_PLUGINS, write=True)
    assert rows_of(board / "tables/small-gains.csv") == before
    assert "supervised (micro-vit)" in (board / "tables/small.csv").read_text()


def test_formulas_are_escaped_and_small_p_values_keep_digits():
    frame = pd.DataFrame({"entry": ["=HYPERLINK(1)", "simclr"], "p": [1.234e-9, 0.0456], "gap": [-0.123456, np.nan]})
    assert csv_of(frame) == "entry,p,gap\n'=HYPERLINK(1),1.2e-09,-0.1235\nsimclr,0.046,\n"


def test_several_processes_give_the_same_files_and_problems(board, monkeypatch):
    build(board, INSTALLED, write=True)
    first = files(board)
    monkeypatch.setattr("sslbench.leaderboard.site.load.MIN_FOR_PROCESSES", 1)
    monkeypatch.setattr("sslbench.leaderboard.site.load.BUNDLES_PER_TASK", 1)
    shutil.rmtree(board / "site")
    build(board, INSTALLED, write=True, processes=2)
    assert files(board) == first
    edit_json(bundle_of(board, "simclr") / "record.json", lambda r: r.update(pool="all", seeds=[7]))
    rehash(bundle_of(board, "simclr"))
    with pytest.raises(RequestError) as told:
        build(board, NO_PLUGINS, write=True, processes=2)
    assert [problem.partition(" ")[2].split(";")[0] for problem in told.value.problems] == [
        "was pretrained on pool all",
        "has seeds 7",
    ]


def test_a_run_without_predictions_is_ranked_by_clusters_after_all_others(board):
    bundle = bundle_of(board, "random-init")
    edit_json(bundle / "answers.json", lambda answers: answers.clear())
    rehash(bundle)
    build(board, NO_PLUGINS, write=True)
    (row,) = (row for row in rows_of(board / "tables/small.csv") if row["protocol"] == "clustering")
    others = [float(r["ami_max"]) for r in rows_of(board / "tables/small.csv") if r["protocol"] == "knn"]
    assert (row["method"], int(row["rank_high"])) == ("random-init", 1 + len(others))
    assert int(row["rank"]) > 1
    assert float(row["ami_max"]) < max(others)


def test_a_long_board_is_shown_in_part_and_its_csv_holds_all(board, monkeypatch, tmp_path):
    (tmp_path / "README.md").write_text("<!-- leaderboard: small -->\n<!-- /leaderboard: small -->\n")
    for method in ("random-init", "raw-features"):
        edit_json(bundle_of(board, method) / "record.json", lambda r: r.update(baseline=False))
        rehash(bundle_of(board, method))
    build(board, NO_PLUGINS, write=True)
    whole = files(board)
    monkeypatch.setattr("sslbench.leaderboard.site.tables.MAX_SHOWN", 1)
    for module in ("site.pages", "site.charts", "site.difference_pages", "standings.across_boards"):
        monkeypatch.setattr(f"sslbench.leaderboard.{module}.MAX_COMPARED", 1)
    for name, few in (("leaderboard.site.tables_by_name.ENTRIES_PER_PART", 3), ("leaderboard.standings.disk_list.MEMORY_BYTES", 1), ("leaderboard.site.build.MEMORY_BYTES", 9),
                      ("analysis.statistics.shared_ranks.ROW_BLOCK", 2), ("analysis.statistics.shared_ranks.COLUMN_BLOCK", 1)):  # fmt: skip
        monkeypatch.setattr(f"sslbench.{name}", few)
    build(board, NO_PLUGINS, write=True)
    part = files(board)
    kept = {name for name in whole if name.startswith(("site/small/runs", "site/style")) or name.endswith("s.csv")}
    left_out = {f"tables/small-{name}.csv" for name in ("wins", "gains", "protocols")}
    assert {name: part[name] for name in kept - left_out} == {name: whole[name] for name in kept - left_out}
    assert part["tables/small.csv"] == whole["tables/small.csv"]
    board_page = part["site/small/index.html"].decode()
    baselines = board_page.count('data-kind="baseline"')
    assert (board_page.count('data-kind="own"') + baselines, baselines) == (2 + 2, 2)
    assert "digits, knn: the best entries and the baselines are shown, sorted and searched; 2 more in the" in board_page
    assert "2 more in small.csv" in part["tables/small.md"].decode()
    assert "3 more on the leaderboard's pages" in (tmp_path / "README.md").read_text()
    for page, told in (
        ("classes", "3 more are in the"),
        ("bias", "3 more in the CSV"),
        ("differences/digits-knn", "2 more in the CSV"),
        ("labels", "3 more are in the CSV"),
    ):
        assert told in part[f"site/small/{page}.html"].decode()
    costs = part["site/small/costs.html"].decode()
    assert (
        costs.count('class="dot best"')
        + costs.count('class="dot"')
        + sum(int(more) for more in re.findall(r"The front and the best entries are shown; (\d+) more", costs))
        == 2 * 2
    )


def test_answers_that_do_not_fit_are_reported(board):
    bundle = bundle_of(board, "simclr")
    edit_json(bundle / "answers.json", lambda a: a[0].update(right="00"))
    rehash(bundle)
    with pytest.raises(RequestError, match="its answers do not fit the suite"):
        build(board, NO_PLUGINS, write=True)


def test_every_page_is_valid_and_all_text_is_escaped(board):
    bundle = bundle_of(board, "simclr")
    edit_json(bundle / "manifest.json", lambda m: m.update(entry=HOSTILE[:80], by=HOSTILE[:80], note=HOSTILE))
    assert not check_bundle(read_suite(board, "small"), bundle, core_metrics()).problems
    build(board, INSTALLED, write=True)
    pages = sorted((board / "site").rglob("*.html"))
    assert len(pages) == 1 + 5 + 4 + 2  # a page for each board
    for page in pages:
        checker = HtmlChecker(page)
        checker.feed(page.read_text())
        assert (checker.wrong, checker.open) == ([], []), page
        assert len(set(checker.ids)) == len(checker.ids)
        assert "<img" not in page.read_text()
    assert "<img" not in (board / "tables/small.md").read_text()


def test_a_suite_of_earlier_versions_has_a_note_and_the_centered_rank(board):
    spec = next(iter(sslbench_protocols()))
    installed = installed_protocols([spec])
    build(board, replace(NO_PLUGINS, protocols=installed), write=True)
    assert "earlier versions" not in (board / "site/small/index.html").read_text()
    assert "rank_me" in rows_of(board / "tables/small.csv")[0]
    edit_json(board / "suites/small.json", lambda suite: suite["protocols"]["diagnostics"].update(version=1))
    for bundle in (board / "results/small").iterdir():
        record = bundle / "record.json"
        edit_json(
            record, lambda r: [p.update(version=1) for p in r["protocols"] if p["name"] == "diagnostics"] and None
        )
        rehash(bundle)
    build(board, replace(NO_PLUGINS, protocols=installed), write=True)
    for name in ("site/small/index.html", "tables/small.md"):
        text = (board / name).read_text()
        assert f"earlier versions of protocols: diagnostics 1 (now {spec.version})" in text, name
        assert "centered effective rank" in text, name
        assert "RankMe" not in text, name
    assert "rank_me" not in rows_of(board / "tables/small.csv")[0]
    assert float(rows_of(board / "tables/small.csv")[0]["centered_effective_rank"]) > 1
