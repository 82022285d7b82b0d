"""Citations that several components of this package share."""

from sslbench.api import Citation

MV_MR = Citation(
    title="MV-MR: Multi-Views and Multi-Representations for Self-Supervised Learning and Knowledge Distillation",
    authors="Kinakh, Drozdova, Voloshynovskiy",
    year=2024,
    url="https://arxiv.org/abs/2303.12130",
)
SCATTERING = Citation(
    title="Invariant Scattering Convolution Networks",
    authors="Bruna, Mallat",
    year=2013,
    url="https://arxiv.org/abs/1203.1513",
)
HOG = Citation(
    title="Histograms of Oriented Gradients for Human Detection",
    authors="Dalal, Triggs",
    year=2005,
    url="https://doi.org/10.1109/CVPR.2005.177",
)
KNOWLEDGE_DISTILLATION = Citation(
    title="Distilling the Knowledge in a Neural Network",
    authors="Hinton, Vinyals, Dean",
    year=2015,
    url="https://arxiv.org/abs/1503.02531",
)
DISTANCE_CORRELATION = Citation(
    title="Measuring and Testing Dependence by Correlation of Distances",
    authors="Szekely, Rizzo, Bakirov",
    year=2007,
    url="https://arxiv.org/abs/0803.4101",
)
