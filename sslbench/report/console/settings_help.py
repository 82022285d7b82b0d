"""Format settings for terminals and for the reference page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sslbench.config.setting_help import SettingHelp
from sslbench.convert import plain


def setting_lines(settings: Iterable[SettingHelp]) -> Iterator[str]:
    """Yield two lines per setting: path, default and type, then allowed values and help."""
    for one in settings:
        yield f"  {one.path} = {write_value(one.default)}  ({one.type}{f'; {one.allowed}' if one.allowed else ''})"
        if one.help:
            yield f"      {one.help}"


def setting_table(settings: Iterable[SettingHelp]) -> Iterator[str]:
    """Yield a Markdown table with one row per setting."""
    yield "| setting | default | type | meaning |"
    yield "| --- | --- | --- | --- |"
    for one in settings:
        kind = f"{one.type}; {one.allowed}" if one.allowed else one.type
        yield f"| `{one.path}` | `{write_value(one.default)}` | {kind} | {one.help} |".replace("``", "")


def write_value(value: object) -> str:
    """Write a value as it is written in a request."""
    kept = plain(value)
    if kept is None:
        return "null"
    if isinstance(kept, bool):
        return str(kept).lower()
    if isinstance(kept, list):
        return f"[{', '.join(write_value(one) for one in kept)}]"
    return "''" if kept == "" else str(kept)
