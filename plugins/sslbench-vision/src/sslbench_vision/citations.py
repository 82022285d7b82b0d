"""Papers that more than one component of this package comes from."""

from sslbench.api import Citation

SIMCLR = Citation(
    title="A Simple Framework for Contrastive Learning of Visual Representations",
    authors="Chen, Kornblith, Norouzi, Hinton",
    year=2020,
    url="https://arxiv.org/abs/2002.05709",
)
MAE = Citation(
    title="Masked Autoencoders Are Scalable Vision Learners",
    authors="He, Chen, Xie, Li, Dollar, Girshick",
    year=2022,
    url="https://arxiv.org/abs/2111.06377",
)
SWAV = Citation(
    title="Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
    authors="Caron, Misra, Mairal, Goyal, Bojanowski, Joulin",
    year=2020,
    url="https://arxiv.org/abs/2006.09882",
)
VIT = Citation(
    title="An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
    authors="Dosovitskiy et al.",
    year=2021,
    url="https://arxiv.org/abs/2010.11929",
)
RESNET = Citation(
    title="Deep Residual Learning for Image Recognition",
    authors="He, Zhang, Ren, Sun",
    year=2016,
    url="https://arxiv.org/abs/1512.03385",
)
TORCHVISION = Citation(
    title="TorchVision: PyTorch's Computer Vision library",
    authors="TorchVision maintainers and contributors",
    year=2016,
    url="https://github.com/pytorch/vision",
)
TIMM = Citation(
    title="PyTorch Image Models",
    authors="Wightman",
    year=2019,
    url="https://github.com/huggingface/pytorch-image-models",
)
SSLBENCH = Citation(
    title="sslbench", authors="the sslbench authors", year=2026, url="https://github.com/sslbench/sslbench"
)
