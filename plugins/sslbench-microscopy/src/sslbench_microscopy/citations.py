"""Citations of the papers that this package implements."""

from __future__ import annotations

from sslbench.api import Citation

BIAS_STUDY = Citation(
    title="No Free Lunch in Self Supervised Representation Learning",
    authors="Bendidi et al.",
    year=2023,
    url="https://arxiv.org/abs/2304.11718",
)
BBBC = Citation(
    title="Annotated high-throughput microscopy image sets for validation (BBBC021v1; images of Caie et al. 2010)",
    authors="Ljosa, Sokolnicki, Carpenter",
    year=2012,
    url="https://bbbc.broadinstitute.org/BBBC021",
)
