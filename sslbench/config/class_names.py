"""Class names that are probably one class in two spellings. Pure: names in, sentences out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from sslbench.config.datasets import Part


def warn_of_similar_classes(parts: Iterable[Part]) -> list[str]:
    """Say which classes of a dataset differ only in case, separators or Unicode form: they count as different ones."""
    sentences = []
    for part in parts:
        spellings: dict[str, list[str]] = {}
        for name in part.dataset.target.names:
            spellings.setdefault(_plain_spelling(name), []).append(name)
        if same := [names for names in spellings.values() if len(names) > 1]:
            told = "; ".join(" and ".join(map(repr, names)) for names in same)
            differ = "differ only in case, spaces, '-', '_' or Unicode form and count as different classes"
            sentences.append(f"data: classes of {part.name} {differ}: {told}. Rename them where they are one class")
    return list(dict.fromkeys(sentences))


def _plain_spelling(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", name).casefold()).strip()
