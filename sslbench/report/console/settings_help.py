"""Format settings for terminals and for the reference page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sslbench.catalog.facts import Catalog
from sslbench.config.setting_help import SECTIONS, SettingHelp, describe_section
from sslbench.convert import to_plain


def setting_lines(settings: Iterable[SettingHelp]) -> Iterator[str]:
    """Yield two lines per setting: path, default and type, then allowed values and help."""
    for one in settings:
        yield f"  {one.path} = {write_value(one.default)}  ({one.type}{f'; {one.allowed}' if one.allowed else ''})"
        if one.help:
            yield f"      {one.help}"


def reference_page(catalog: Catalog) -> Iterator[str]:
    """Yield docs/settings.md: every setting of the harness and of the protocols that it brings."""
    yield "# Settings"
    yield ""
    yield "Made by `sslbench show settings --markdown`. Settings of other components: `sslbench show KIND NAME`."
    protocols = [f"protocol_settings.{c.name}" for c in catalog.all("protocol") if c.origin.distribution == "sslbench"]
    for section in (*SECTIONS, *protocols):
        yield from ("", f"## {section}", "", *setting_table(describe_section(catalog, section)))


def setting_table(settings: Iterable[SettingHelp]) -> Iterator[str]:
    """Yield a Markdown table with one row per setting."""
    yield "| setting | default | type | meaning |"
    yield "| --- | --- | --- | --- |"
    for one in settings:
        kind = f"{one.type}; {one.allowed}" if one.allowed else one.type
        yield f"| `{one.path}` | `{write_value(one.default)}` | {kind} | {one.help} |".replace("``", "")


def write_value(value: object) -> str:
    """Format a value as in a request."""
    kept = to_plain(value)
    if kept is None:
        return "null"
    if isinstance(kept, bool):
        return str(kept).lower()
    if isinstance(kept, list):
        return f"[{', '.join(write_value(one) for one in kept)}]"
    return "''" if kept == "" else str(kept)
