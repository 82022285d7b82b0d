"""ImageNet-100: 100 classes of a local ImageNet, by the list of CMC (Tian et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, hookimpl, setting

CMC = Citation(
    title="Contrastive Multiview Coding",
    authors="Tian, Krishnan, Isola",
    year=2020,
    url="https://arxiv.org/abs/1906.05849",
)
CLASS_LIST = """
    n02869837 n01749939 n02488291 n02107142 n13037406 n02091831 n04517823 n04589890 n03062245 n01773797 n01735189
    n07831146 n07753275 n03085013 n04485082 n02105505 n01983481 n02788148 n03530642 n04435653 n02086910 n02859443
    n13040303 n03594734 n02085620 n02099849 n01558993 n04493381 n02109047 n04111531 n02877765 n04429376 n02009229
    n01978455 n02106550 n01820546 n01692333 n07714571 n02974003 n02114855 n03785016 n03764736 n03775546 n02087046
    n07836838 n04099969 n04592741 n03891251 n02701002 n03379051 n02259212 n07715103 n03947888 n04026417 n02326432
    n03637318 n01980166 n02113799 n02086240 n03903868 n02483362 n04127249 n02089973 n03017168 n02093428 n02804414
    n02396427 n04418357 n02172182 n01729322 n02113978 n03787032 n02089867 n02119022 n03777754 n04238763 n02231487
    n03032252 n02138441 n02104029 n03837869 n03494278 n04136333 n03794056 n03492542 n02018207 n04067472 n03930630
    n03584829 n02123045 n04229816 n02100583 n03642806 n04336792 n03259280 n02116738 n02108089 n03424325 n01855672
    n02090622
"""
"""WordNet ids in the order of CMC's imagenet100.txt."""
DIGEST = "c66870eda27454c74144d545296ab402"
"""BLAKE2b digest of that file (16 bytes), which every record contains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNet100Config:
    """Settings of ImageNet-100; other classes in the folder are ignored."""

    root: Path | None = setting(None, "Folder with `train` and `val`, each with one folder per WordNet id.")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[ImageNet100Config]]:
    yield DatasetSpec(
        name="imagenet100",
        version=2,
        summary="about 130,000 photographs of 100 ImageNet classes (CMC's list), official validation part as test",
        citation=CMC,
        config=ImageNet100Config,
        smoke=ImageNet100Config(),
        build="sslbench_vision.datasets.imagenet100_reader:open_tree",
        label_preserving="crop-flip",
        card=DatasetCard(
            license="ImageNet's terms of access: research only, no redistribution",
            citation=CMC,
            source="https://www.image-net.org",
            obtain="make a folder 'imagenet' with its 'train' and 'val' parts, each with one folder per WordNet id",
            modalities={"image": Modality(layout="image", shape=(3, 0, 0))},
        ),
    )
