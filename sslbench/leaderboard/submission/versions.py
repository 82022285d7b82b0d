"""What a suite was measured with compared with what is installed: versions of protocols, and metrics that were renamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sslbench.api.protocols import ProtocolSpec, RenamedMetric
from sslbench.leaderboard.submission.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledProtocol:
    """The installed version of a protocol, and the metrics that earlier versions called otherwise."""

    version: int
    renamed: tuple[RenamedMetric, ...] = ()


def installed_protocols(specs: Iterable[ProtocolSpec[Any]]) -> dict[str, InstalledProtocol]:
    """Collect the versions of installed protocols by name."""
    return {spec.name: InstalledProtocol(version=spec.version, renamed=spec.renamed_metrics) for spec in specs}


def current_name(suite: Suite, metric: str, installed: Mapping[str, InstalledProtocol]) -> str:
    """Return what a metric of a suite's records is called today: an older version may have used its name for another."""
    for name, protocol in suite.protocols.items():
        for renamed in installed[name].renamed if name in installed else ():
            if renamed.old == metric and protocol.version <= renamed.until:
                return renamed.new
    return metric


def version_note(suite: Suite, installed: Mapping[str, InstalledProtocol]) -> str:
    """Say which of a suite's protocols have a newer version, or '' where none has."""
    older = [
        f"{name} {protocol.version} (now {installed[name].version})"
        for name, protocol in sorted(suite.protocols.items())
        if name in installed and installed[name].version != protocol.version
    ]
    if not older:
        return ""
    return (
        f"This suite was measured with earlier versions of protocols: {', '.join(older)}. Its numbers cannot be compared "
        "with numbers of the current versions, and runs of other versions are not accepted."
    )
