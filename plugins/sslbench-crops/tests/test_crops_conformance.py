"""Run the conformance kit on every component, with small files in the published layouts."""

from __future__ import annotations

import pytest
from crop_trees import write_area, write_breizhcrops, write_motions, write_pairs, write_watch

from sslbench.testing import conformance


@pytest.fixture(autouse=True, scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    write_pairs(folder / "crop_pairs")
    for name in ("train", "test"):
        write_area(folder / "denethor" / name)
    write_breizhcrops(folder / "breizhcrops")
    write_watch(folder / "watch_exercises")
    write_motions(folder / "basic_motions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLBENCH_SOURCES", str(folder))
        yield


test_conformance = conformance("sslbench-crops")
