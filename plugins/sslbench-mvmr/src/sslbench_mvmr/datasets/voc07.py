"""PASCAL VOC 2007 classification: 20 labels per image; see `voc07_reader`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, hookimpl, setting

PAGE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2007/"
CITATION = Citation(
    title="The PASCAL Visual Object Classes (VOC) Challenge",
    authors="Everingham, Van Gool, Williams, Winn, Zisserman",
    year=2010,
    url="https://doi.org/10.1007/s11263-009-0275-4",
)
NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Voc07Config:
    """Settings of VOC 2007."""

    root: Path | None = setting(
        None, "Folder with `ImageSets` and `JPEGImages`; by default, `VOCdevkit/VOC2007` in the usual places."
    )
    test: Literal["test", "val"] = setting(
        "test", "Part that is tested on: 'test' after training on 'trainval', or 'val' after 'train', as MV-MR does."
    )


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[Voc07Config]]:
    yield DatasetSpec(
        name="voc07",
        version=1,
        summary="9,963 photographs with any of 20 labels; an object that is hard to see makes its label unknown",
        citation=CITATION,
        config=Voc07Config,
        smoke=Voc07Config(),
        build="sslbench_mvmr.datasets.voc07_reader:open_voc07",
        label_preserving="crop-flip",
        card=DatasetCard(
            license="Flickr's terms of use; the images belong to their photographers",
            citation=CITATION,
            source=PAGE,
            obtain=f"download VOCtrainval_06-Nov-2007.tar and VOCtest_06-Nov-2007.tar from {PAGE} and extract both",
            formats=("voc",),
            target="labels",
            modalities={"image": Modality(layout="image", shape=(3, 0, 0))},
        ),
    )
