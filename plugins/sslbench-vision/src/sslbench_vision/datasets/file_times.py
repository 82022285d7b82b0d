"""Read the time in a file's name by a pattern such as D%Y%m%dT%H%M%S. Pure."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime

DIRECTIVES = {"%Y": r"\d{4}", "%j": r"\d{3}", "%f": r"\d{1,6}", "%%": "%"} | dict.fromkeys(
    ("%y", "%m", "%d", "%H", "%M", "%S"), r"\d{2}"
)


def make_expression(pattern: str) -> re.Pattern[str]:
    """Make the regular expression that finds a time of a pattern; raises ValueError for a directive that is not known."""
    parts = re.split(r"(%.)", pattern)
    if unknown := [part for part in parts if re.fullmatch("%.", part) and part not in DIRECTIVES]:
        raise ValueError(f"{unknown[0]!r} is not possible. Possible: {' '.join(DIRECTIVES)}")
    if not any(part in DIRECTIVES and part != "%%" for part in parts):
        raise ValueError(f"{pattern!r} names no part of a time, such as %Y%m%dT%H%M%S")
    return re.compile("".join(DIRECTIVES.get(part) or re.escape(part) for part in parts))


def read_time(name: str, pattern: str) -> str:
    """Read the seconds since 1970 (UTC) from a file's name, as text; '' where the pattern is not in it."""
    for found in make_expression(pattern).finditer(name):
        with contextlib.suppress(ValueError):  # digits that are no date
            time = datetime.strptime(found[0], pattern).replace(tzinfo=UTC)
            return f"{time.timestamp():.6f}".rstrip("0").rstrip(".")
    return ""
