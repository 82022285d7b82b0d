"""Process the files of a dataset."""

import threading
from pathlib import Path

import pytest

from sslbench.api import files


@pytest.mark.parametrize(("slow_file", "uses_threads"), [(0.0, True), (float("inf"), False)])
def test_results_are_in_the_order_of_the_files_and_only_slow_files_use_threads(monkeypatch, slow_file, uses_threads):
    monkeypatch.setattr(files, "FILES_PER_TASK", 3)
    monkeypatch.setattr(files, "SLOW_FILE", slow_file)
    paths = [Path(str(number)) for number in range(20)]
    threads = []

    def process(path):
        threads.append(threading.current_thread())
        return path.name

    assert files.map_files(process, paths) == [path.name for path in paths]
    assert len(threads) == len(paths), "each file is processed once"
    assert (set(threads) != {threading.main_thread()}) == uses_threads


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_any_number_of_files_is_processed(monkeypatch, count):
    monkeypatch.setattr(files, "FILES_PER_TASK", 3)
    monkeypatch.setattr(files, "SLOW_FILE", 0.0)
    paths = [Path(str(number)) for number in range(count)]
    assert files.map_files(str, paths) == [str(path) for path in paths]
