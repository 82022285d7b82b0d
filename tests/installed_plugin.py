"""Install a module as the plugin of another author, outside the repository."""

from __future__ import annotations

from pathlib import Path


def install_plugin(folder: Path, module: str, code: str) -> dict[str, str]:
    """Write a module and the metadata of its distribution; return the environment in which it is installed."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    name, facts = module.replace("_", "-"), folder / f"{module}-1.0.dist-info"
    facts.mkdir(exist_ok=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[sslbench]\n{name} = {module}\n")
    return {"PYTHONPATH": str(folder)}
