"""Plan requests and list the keys of their stages, for tests of what is computed again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sslbench import environment
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.request import read_request
from sslbench.pipeline.stages import make_stages
from sslbench.results.store import Store
from sslbench.testing.plans import STAGE_KINDS, stage_keys

CATALOG = discover(installed_entries())
MACHINE = Machine(threads=1, precision="float32")


def planned(*overrides: str, method: str = "mae", machine: Machine = MACHINE, catalog=CATALOG, data="digits") -> Plan:
    options = {"method": {"name": method}, "data": {"name": data} if isinstance(data, str) else data}
    tree = read_request(None, options, ["seeds=[0]", *overrides])
    return make_plan(tree, catalog, DatasetCache(environment.places()), machine)


def answers_of(plan: Plan) -> dict[tuple[str, float | None], str]:
    """The keys of the answers by protocol and share of labels."""
    stages = list(make_stages(plan, Store(root=Path("out"), prepared=Path("prepared"))))
    return {(s.facts["protocol"], s.facts["fraction"]): s.key for s in stages if s.kind == "evaluate"}


def changed(first: Plan, second: Plan) -> set[str]:
    """The kinds of stages of which any key differs."""
    one, other = stage_keys(first), stage_keys(second)
    return {kind for kind in STAGE_KINDS if one[kind] != other[kind]}


def image_tree(root: Path, sides: tuple[int, int] = (9, 14)) -> Path:
    """Write twelve gray images of two classes, three of each source, wider than high."""
    rng = np.random.default_rng(0)
    for number in range(12):
        path = root / f"{'ab'[number % 2]}/s{number // 3}-r{number // 6}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, sides, dtype=np.uint8)).save(path)
    return root


def folder(root: Path, **settings) -> dict:
    columns = {"source": r"s(\d)", "roll": r"r(\d)"}
    return {"name": "plankton-folder", "root": str(root), "columns": columns, **settings}
