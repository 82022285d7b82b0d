"""Read times from file names by a pattern such as D%Y%m%dT%H%M%S."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime

DIRECTIVES = {"%Y": r"\d{4}", "%j": r"\d{3}", "%f": r"\d{1,6}", "%%": "%"} | dict.fromkeys(
    ("%y", "%m", "%d", "%H", "%M", "%S"), r"\d{2}"
)


def make_expression(pattern: str) -> re.Pattern[str]:
    """Make the regular expression of a pattern; raises ValueError for an unknown directive."""
    parts = re.split(r"(%.)", pattern)
    if unknown := [part for part in parts if re.fullmatch("%.", part) and part not in DIRECTIVES]:
        raise ValueError(f"{unknown[0]!r} is not possible. Possible: {' '.join(DIRECTIVES)}")
    if not any(part in DIRECTIVES and part != "%%" for part in parts):
        raise ValueError(f"{pattern!r} has no directive of a time. Use a pattern such as %Y%m%dT%H%M%S")
    return re.compile("".join(DIRECTIVES.get(part) or re.escape(part) for part in parts))


def read_time(name: str, pattern: str) -> str:
    """Read the seconds since 1970 (UTC) from a file name, as text; '' without a match."""
    for found in make_expression(pattern).finditer(name):
        with contextlib.suppress(ValueError):  # digits that are not a date
            time = datetime.strptime(found[0], pattern).replace(tzinfo=UTC)
            return f"{time.timestamp():.6f}".rstrip("0").rstrip(".")
    return ""
