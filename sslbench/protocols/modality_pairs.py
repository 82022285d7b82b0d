"""Declare the settings of protocols that compare samples of one modality with those of another."""

from __future__ import annotations

from sslbench.api import Varied

EVERY = "every modality"
MODALITY_PAIR = (
    Varied(name="gallery", unset=EVERY, default="unset"),
    Varied(name="queries", unset=EVERY, default="unset"),
)
"""The modalities of the gallery and of the queries."""
