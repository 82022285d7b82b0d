"""Find a finished run by its folder or its name."""

from __future__ import annotations

from pathlib import Path

from sslbench.api.errors import RequestError


def find_run(name: str, out: Path) -> Path:
    """Find a run's folder by its path or its name below `out`. Raises RequestError if there is no record."""
    for folder in (Path(name), out / name):
        if (folder / "record.json").is_file():
            return folder
    runs = sorted(path.parent.name for path in out.glob("*/record.json")) if out.is_dir() else []
    near = [run for run in runs if run.startswith(name)] or runs
    listed = (
        f"Runs below {out}: {', '.join(near[:5])}{', …' if len(near) > 5 else ''}" if near else f"{out} has no runs"
    )
    raise RequestError([f"{name}: is not a run: no record.json in {name} or {out / name}. {listed}"])
