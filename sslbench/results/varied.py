"""Collect the settings that the protocols of records vary, as the records declare them. Performs no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sslbench.api.varied import NO_TEXT, Varied
from sslbench.data.label_subsets import TASK_SETTINGS
from sslbench.results.record import DRAW, Record, setting_of

EPOCH = Varied(name="epoch", unset="last", default="unset")
"""The epoch of an encoder, a column of scores."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariedTable(Mapping[str, Varied]):
    """Declared settings by name; `separate` holds (protocol, setting) with several values that tables show separately."""

    declared: Mapping[str, Varied]
    separate: frozenset[tuple[str, str]] = frozenset()

    def __getitem__(self, name: str) -> Varied:
        return self.declared[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.declared)

    def __len__(self) -> int:
        return len(self.declared)

    @property
    def facts(self) -> tuple[str, ...]:
        """Return the settings that a table may name."""
        return tuple(name for name, one in self.items() if one.default != "mean")

    @property
    def repeats(self) -> tuple[str, ...]:
        """Return the settings that only repeat a measurement."""
        return tuple(name for name, one in self.items() if one.default == "mean")

    @property
    def limited(self) -> tuple[str, ...]:
        """Return the settings of which a table that does not name them shows some values."""
        return tuple(name for name, one in self.items() if one.default in ("unset", "largest"))

    def unset(self, name: str, default: Any = NO_TEXT) -> Any:
        """Return the text for a missing value of a fact; `default` if nothing declares one."""
        text = self[name].unset if name in self else NO_TEXT
        return default if text == NO_TEXT else text

    def variant(self, protocol: str, setting: Mapping[str, Any]) -> str:
        """Return the name of a protocol in tables, with the values that tables show separately: 'probe:head=linear'."""
        names = [name for name in self if (protocol, name) in self.separate] if self.separate else ()
        values = ",".join(f"{name}={setting.get(name, self[name].unset)}" for name in names)
        return f"{protocol}:{values}" if values else protocol

    def naming(self, variant: str) -> VariedTable:
        """Return the table that also shows the settings separately that a name of a protocol in tables contains."""
        protocol, _, values = variant.partition(":")
        named = {(protocol, name) for name in self if f",{name}=" in f",{values}"}
        return self if named <= self.separate else VariedTable(declared=self.declared, separate=self.separate | named)


def protocol_of(variant: str) -> str:
    """Return the protocol of a name in tables."""
    return variant.partition(":")[0]


def varied_table(records: Iterable[Record], installed: Iterable[Varied] = ()) -> VariedTable:
    """Return the settings that records declare, then those of installed protocols; the first declaration of a name counts.

    A setting that no record declares, as in records of plugins that are not installed anymore, is shown separately.
    """
    declared = {one.name: one for one in (EPOCH, DRAW, *TASK_SETTINGS)}
    separate = set[tuple[str, str]]()
    for record in records:
        for one in record.varied:
            declared.setdefault(one.name, one)
        measured: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for dataset, protocol, text in {
            (score.dataset, score.protocol, score.setting): None for score in record.scores
        }:
            measured[dataset, protocol].append(setting_of(text))
        for (_, protocol), settings in measured.items():
            for name in sorted({name for setting in settings for name in setting}):
                rule = declared.setdefault(name, Varied(name=name)).default
                if rule == "each" and len({setting.get(name) for setting in settings}) > 1:
                    separate.add((protocol, name))
    installed_by_name = {one.name: one for one in installed}
    return VariedTable(declared=installed_by_name | declared, separate=frozenset(separate))
