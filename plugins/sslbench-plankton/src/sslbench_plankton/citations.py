"""The papers and deposits that the datasets come from."""

from __future__ import annotations

from sslbench.api import Citation

PLANKTON_MAE = Citation(
    title="Self-supervised pretraining for fine-grained plankton recognition",
    authors="Kareinen et al.",
    year=2025,
    url="https://arxiv.org/abs/2503.11341",
)
DAPLANKTON = Citation(
    title="DAPlankton: Benchmark Dataset for Multi-instrument Plankton Recognition via Fine-grained Domain Adaptation",
    authors="Batrakhanov et al.",
    year=2024,
    url="https://arxiv.org/abs/2402.05615",
)
PLANKTON_SET = Citation(
    title="PlanktonSet 1.0: Plankton imagery data collected from F.G. Walton Smith in Straits of Florida (the National "
    "Data Science Bowl's)",
    authors="Cowen et al.",
    year=2015,
    url="https://doi.org/10.7289/V5D21VJD",
)
ZOOLAKE = Citation(
    title="Deep Learning Classification of Lake Zooplankton",
    authors="Kyathanahally et al.",
    year=2021,
    url="https://doi.org/10.3389/fmicb.2021.746297",
)
SYKE_IFCB = Citation(
    title="SYKE-plankton_IFCB_2022",
    authors="Kraft et al.",
    year=2022,
    url="https://doi.org/10.23728/b2share.abf913e5a6ad47e6baa273ae0ed6617a",
)
SYKE_ZOOSCAN = Citation(
    title="SYKE-plankton_ZooScan_2024",
    authors="Finnish Environment Institute",
    year=2024,
    url="https://etsin.fairdata.fi/dataset/6fa42787-9772-41a5-a6fc-0dde489ed908",
)
PMID = Citation(
    title="Developing a microscopic image dataset in support of intelligent phytoplankton detection using deep learning",
    authors="Li et al.",
    year=2020,
    url="https://doi.org/10.1093/icesjms/fsz171",
)
UDE_DIATOMS = Citation(
    title="UDE DIATOMS in the Wild 2024: a new image dataset of freshwater diatoms for training deep learning models",
    authors="Venkataramanan et al.",
    year=2024,
    url="https://doi.org/10.1093/gigascience/giae087",
)
CROSS_MODAL = Citation(
    title="arXiv 2603.16427: plankton recognition from images and optical profiles (released code: cross-modal-plankton)",
    authors="as its page names them",
    year=2026,
    url="https://arxiv.org/abs/2603.16427",
)
CYTOSENSE = Citation(
    title="SYKE-plankton_CytoSense_2025",
    authors="Finnish Environment Institute",
    year=2025,
    url="https://doi.org/10.23729/fd-470acabc-afb8-39cb-a86e-0f81872e7443",
)
FLOWCAM = Citation(
    title="FlowCam_Image_Classifier", authors="theLabUpstairs", year=2025,
    url="https://github.com/VickoT/FlowCam_Image_Classifier",
)  # fmt: skip
CLIP = Citation(
    title="Learning Transferable Visual Models From Natural Language Supervision",
    authors="Radford et al.",
    year=2021,
    url="https://arxiv.org/abs/2103.00020",
)
SIGLIP = Citation(
    title="Sigmoid Loss for Language Image Pre-Training",
    authors="Zhai, Mustafa, Kolesnikov, Beyer",
    year=2023,
    url="https://arxiv.org/abs/2303.15343",
)
SSLBENCH = Citation(
    title="sslbench", authors="the sslbench authors", year=2026, url="https://github.com/sslbench/sslbench"
)
