"""A request that is repeated: nothing is written again, nothing heavy is loaded, and what is gone comes back."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sslbench
from tests.conftest import TINY

SETTINGS = {**TINY, "threads": 1, "protocols": ["knn"], "baselines": "none"}


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return out, sslbench.run("mae", "digits", out=out, settings=SETTINGS)


def test_a_repeated_request_writes_nothing_again(finished):
    out, first = finished
    before = stamps(out)
    assert before
    again = sslbench.run("mae", "digits", out=out, settings=SETTINGS)
    assert stamps(out) == before
    assert again.records == first.records


def test_a_file_that_is_gone_is_written_again(finished):
    out, first = finished
    lost = out / first.records[0].run / "predictions.parquet"
    content = lost.read_bytes()
    lost.unlink()
    sslbench.run("mae", "digits", out=out, settings=SETTINGS)
    assert lost.read_bytes() == content


def test_what_the_record_holds_of_the_request_follows_it(finished):
    out, first = finished
    renamed = sslbench.run("mae", "digits", out=out, settings={**SETTINGS, "train.checkpoint_seconds": 77.0})
    assert renamed.records[0].run == first.records[0].run
    assert renamed.records[0].request["train"]["checkpoint_seconds"] == 77.0


def test_a_finished_request_loads_no_torch(finished):
    out, _ = finished
    program = (
        "import sys, sslbench;"
        f"sslbench.run('mae', 'digits', out={str(out)!r}, settings={SETTINGS!r});"
        "heavy = {'torch', 'lightning_fabric', 'matplotlib', 'torchvision'} & set(sys.modules);"
        "from sslbench import environment;"
        "assert environment.has_gpu_driver() or not heavy, heavy"
    )
    sslbench.run("mae", "digits", out=out, settings=SETTINGS)
    subprocess.run([sys.executable, "-c", program], check=True)
