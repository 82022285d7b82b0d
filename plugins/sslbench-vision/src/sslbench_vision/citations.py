"""Citations that several components of this package share."""

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
MOCO_V2 = Citation(
    title="Improved Baselines with Momentum Contrastive Learning",
    authors="Chen, Fan, Girshick, He",
    year=2020,
    url="https://arxiv.org/abs/2003.04297",
)
BYOL = Citation(
    title="Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning",
    authors="Grill et al.",
    year=2020,
    url="https://arxiv.org/abs/2006.07733",
)
NNCLR = Citation(
    title="With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning of Visual Representations",
    authors="Dwibedi, Aytar, Tompson, Sermanet, Zisserman",
    year=2021,
    url="https://arxiv.org/abs/2104.14548",
)
RESSL = Citation(
    title="ReSSL: Relational Self-Supervised Learning with Weak Augmentation",
    authors="Zheng et al.",
    year=2021,
    url="https://arxiv.org/abs/2107.09282",
)
SIMSIAM = Citation(
    title="Exploring Simple Siamese Representation Learning",
    authors="Chen, He",
    year=2021,
    url="https://arxiv.org/abs/2011.10566",
)
BARLOW_TWINS = Citation(
    title="Barlow Twins: Self-Supervised Learning via Redundancy Reduction",
    authors="Zbontar, Jing, Misra, LeCun, Deny",
    year=2021,
    url="https://arxiv.org/abs/2103.03230",
)
VICREG = Citation(
    title="VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning",
    authors="Bardes, Ponce, LeCun",
    year=2022,
    url="https://arxiv.org/abs/2105.04906",
)
VIBCREG = Citation(
    title="VIbCReg: Variance-Invariance-better-Covariance Regularization for Self-Supervised Learning on Time Series",
    authors="Lee, Aptoula",
    year=2021,
    url="https://arxiv.org/abs/2109.00783",
)
DINO = Citation(
    title="Emerging Properties in Self-Supervised Vision Transformers",
    authors="Caron, Touvron, Misra, Jegou, Mairal, Bojanowski, Joulin",
    year=2021,
    url="https://arxiv.org/abs/2104.14294",
)
W_MSE = Citation(
    title="Whitening for Self-Supervised Representation Learning",
    authors="Ermolov, Siarohin, Sangineto, Sebe",
    year=2021,
    url="https://arxiv.org/abs/2007.06346",
)
MOCO_V3 = Citation(
    title="An Empirical Study of Training Self-Supervised Vision Transformers",
    authors="Chen, Xie, He",
    year=2021,
    url="https://arxiv.org/abs/2104.02057",
)
BIAS_STUDY = Citation(
    title="No Free Lunch in Self Supervised Representation Learning",
    authors="Bendidi et al.",
    year=2023,
    url="https://arxiv.org/abs/2304.11718",
)
SOLO_LEARN = Citation(
    title="solo-learn: A Library of Self-supervised Methods for Visual Representation Learning",
    authors="da Costa, Fini, Nabi, Sebe, Ricci",
    year=2022,
    url="https://github.com/vturrisi/solo-learn",
)
LIGHTLY = Citation(
    title="Lightly: a computer vision framework for self-supervised learning (its benchmarks page)",
    authors="Susmelj, Heller, Wirth, Prescott, Ebner",
    year=2020,
    url="https://github.com/lightly-ai/lightly",
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
