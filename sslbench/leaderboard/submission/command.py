"""Make the command that repeats a submitted run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from sslbench.convert import to_plain
from sslbench.results.record import Record

OPTIONS = {"method.name": "--method", "data.name": "--dataset"}
LEFT_OUT = ("baselines",)
"""Settings that the command sets itself: a repeated run needs no baselines."""


def flatten_request(record: Record) -> dict[str, Any]:
    """Return the request of a record as dotted paths."""
    return dict(sorted(_flat(to_plain(record.request), "").items()))


def repeat_command(record: Record) -> str:
    """Return the command that repeats a run; PATH/ replaces the submitter's folders."""
    settings = {name: value for name, value in flatten_request(record).items() if name not in LEFT_OUT}
    words = [word for name, option in OPTIONS.items() if name in settings for word in (option, str(settings.pop(name)))]
    words += [f"{name}={_written(value)}" for name, value in settings.items()]
    return " ".join(["sslbench run", *map(shlex.quote, words), "baselines=none"])


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
