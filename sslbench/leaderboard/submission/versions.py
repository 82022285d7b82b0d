"""Compare protocol versions and metric names of a suite with the installed ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sslbench.api.protocols import ProtocolSpec, RenamedMetric
from sslbench.leaderboard.submission.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledProtocol:
    """The installed version of a protocol, and its renamed metrics."""

    version: int
    renamed: tuple[RenamedMetric, ...] = ()


def installed_protocols(specs: Iterable[ProtocolSpec[Any]]) -> dict[str, InstalledProtocol]:
    """Collect the versions of installed protocols by name."""
    return {spec.name: InstalledProtocol(version=spec.version, renamed=spec.renamed_metrics) for spec in specs}


def current_name(suite: Suite, metric: str, installed: Mapping[str, InstalledProtocol]) -> str:
    """Return the current name of a metric; an older version may have used the name for another metric."""
    for name, protocol in suite.protocols.items():
        for renamed in installed[name].renamed if name in installed else ():
            if renamed.old == metric and protocol.version <= renamed.until:
                return renamed.new
    return metric


def version_note(suite: Suite, installed: Mapping[str, InstalledProtocol]) -> str:
    """Describe which of a suite's protocols have a newer version; '' if none has."""
    older = [
        f"{name} {protocol.version} (now {installed[name].version})"
        for name, protocol in sorted(suite.protocols.items())
        if name in installed and installed[name].version != protocol.version
    ]
    if not older:
        return ""
    return (
        f"This suite was made with earlier versions of protocols: {', '.join(older)}. Its numbers cannot be compared "
        "with numbers of the current versions, and runs of other versions are not accepted."
    )
