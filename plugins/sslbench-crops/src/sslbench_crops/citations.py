"""The publications of methods and datasets."""

from __future__ import annotations

from sslbench.api import Citation

BIMODAL_CROPS = Citation(
    title="Bi-modal contrastive learning for crop classification using Sentinel-2 and Planetscope",
    authors="Patnala et al.",
    year=2024,
    url="https://doi.org/10.3389/frsen.2024.1480101",
)
CROP_PAIRS = Citation(
    title="Preprocessed pairs of Sentinel-2 and PlanetScope pixels (Zenodo record 7737587)",
    authors="Patnala et al.",
    year=2023,
    url="https://doi.org/10.5281/zenodo.7737587",
)
SCARF = Citation(
    title="SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption",
    authors="Bahri et al.",
    year=2022,
    url="https://arxiv.org/abs/2106.15147",
)
DENETHOR = Citation(
    title="DENETHOR: The DynamicEarthNET dataset for Harmonized, inter-Operable, analysis-Ready, daily crop monitoring "
    "from space",
    authors="Kondmann et al.",
    year=2021,
    url="https://openreview.net/forum?id=uUa4jNMLjrL",
)
BREIZHCROPS = Citation(
    title="BreizhCrops: A Time Series Dataset for Crop Type Mapping",
    authors="Rußwurm et al.",
    year=2019,
    url="https://arxiv.org/abs/1905.11893",
)
WATCH_EXERCISES = Citation(
    title="Seglearn: A Python Package for Learning Sequences and Time Series",
    authors="Burns and Whyne",
    year=2018,
    url="https://arxiv.org/abs/1803.08118",
)
BASIC_MOTIONS = Citation(
    title="The UEA multivariate time series classification archive, 2018 (BasicMotions)",
    authors="Bagnall et al.",
    year=2018,
    url="https://arxiv.org/abs/1811.00075",
)
SSLBENCH = Citation(
    title="sslbench",
    authors="the sslbench authors",
    year=2026,
    url="https://github.com/sslbench/sslbench",
)
