"""sslbench: which self-supervised method learns your data best, and which classes does it make worse?

The functions `run` and `load_results` are the Python interface. Importing this package loads no torch.
"""

from __future__ import annotations

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:  # `python -m sslbench` would import a `random.py` of the user's
    del sys.path[0]

from typing import TYPE_CHECKING, Any

from sslbench.api.layouts import LAYOUTS
from sslbench.environment import let_waiting_threads_sleep

if TYPE_CHECKING:
    from sslbench.app.run import run as run
    from sslbench.results.frames import load_results as load_results

__version__ = "0.1.0"
let_waiting_threads_sleep()
__all__ = ["__version__", "load_results", "run"]


def _discover_layouts() -> list[str]:
    from sslbench.catalog.discovery import register_installed_layouts

    return register_installed_layouts()


LAYOUTS.discover_with(_discover_layouts)


def __getattr__(name: str) -> Any:
    if name == "run":
        from sslbench.app.run import run

        return run
    if name == "load_results":
        from sslbench.results.frames import load_results

        return load_results
    raise AttributeError(f"module 'sslbench' has no attribute {name!r}")
