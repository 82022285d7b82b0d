"""Warn of class names that are probably one class in two spellings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from sslbench.config.datasets import Part


def warn_of_similar_classes(parts: Iterable[Part]) -> list[str]:
    """Return one warning per dataset whose class names differ only in case, separators or Unicode form."""
    sentences = []
    for part in parts:
        spellings: dict[str, list[str]] = {}
        for name in part.dataset.target.names:
            spellings.setdefault(_plain_spelling(name), []).append(name)
        if same := [names for names in spellings.values() if len(names) > 1]:
            listed = "; ".join(" and ".join(map(repr, names)) for names in same)
            differ = "differ only in case, spaces, '-', '_' or Unicode form and count as different classes"
            sentences.append(f"data: classes of {part.name} {differ}: {listed}. Rename them where they are one class")
    return list(dict.fromkeys(sentences))


def _plain_spelling(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", name).casefold()).strip()
