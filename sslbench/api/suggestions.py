"""Suggest a name where a message rejects one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message: the closest known name, and all known names; '' if there are none."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    shown = ", ".join(names[:24]) + (", …" if len(names) > 24 else "")
    return f".{hint} Available: {shown}" if names else ""
