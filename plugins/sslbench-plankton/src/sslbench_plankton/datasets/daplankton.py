"""DAPlankton: phytoplankton seen by three instruments, in cultures (lab) and in the Baltic Sea (sea). Spec and reader.

Layout: DAPlankton/{DAPlankton_lab,DAPlankton_sea}/{IFCB,CS,FC}/<class>/<file>; FC exists only in the lab. The published
package is a zip inside a zip; both are accepted. Base names repeat between folders, so ids are whole paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, Modality, hookimpl, setting
from sslbench.api.image_options import GrayOrColor, channels_setting
from sslbench_plankton.citations import DAPLANKTON

PARTS = ("lab/ifcb", "lab/cs", "lab/fc", "sea/ifcb", "sea/cs")
# class: (CS, FC, IFCB) in the lab, (CS, IFCB) at sea; a survey's enumeration of the published archive
LAB = {
    "Aphanizomenon_flosaquae": (926, 1138, 1088),
    "Apocalathium_malmogiense": (936, 1647, 1003),
    "Chrysotila_roscoffensis": (701, 453, 1064),
    "Diatoma_tenuis": (862, 939, 1376),
    "Gymnodinium_corollarium": (818, 2618, 1072),
    "Kryptoperidium_foliaceum": (1285, 1030, 1075),
    "Levanderina_fissa": (870, 867, 1001),
    "Melosira_arctica": (608, 826, 1002),
    "Nephroselmis_pyriformis": (826, 286, 1326),
    "Peridiniella_catenata": (757, 585, 1250),
    "Pseudopedinella_sp": (1088, 1849, 1018),
    "Rhinomonas_nottbecki": (1037, 1394, 1001),
    "Rhodomonas_salina": (877, 2232, 1149),
    "Teleaulax_acuta": (762, 486, 1011),
    "Tetraselmis_sp": (834, 1458, 1040),
}
SEA = {
    "Aphanizomenon_flosaquae": (2027, 6989),
    "Centrales_sp": (33, 480),
    "Chaetoceros_sp": (43, 1382),
    "Chaetoceros_sp_single": (5, 213),
    "Chlorococcales": (17, 95),
    "Chroococcales": (938, 142),
    "Ciliata": (174, 243),
    "Cryptomonadales": (177, 713),
    "Cryptophyceae_Teleaulax": (5443, 6830),
    "Cyclotella_choctawhatcheeana": (33, 102),
    "Dinophyceae": (275, 1433),
    "Dinophysis_acuminata": (7, 217),
    "Dolichospermum_Anabaenopsis": (109, 12280),
    "Dolichospermum_Anabaenopsis_coiled": (165, 2504),
    "Euglenophyceae": (67, 102),
    "Eutreptiella_sp": (1027, 2247),
    "Gymnodiniales": (7, 69),
    "Gymnodinium_like": (44, 158),
    "Heterocapsa_rotundata": (330, 614),
    "Heterocapsa_triquetra": (96, 3276),
    "Heterocyte": (240, 263),
    "Katablepharis_remigera": (14, 54),
    "Mesodinium_rubrum": (27, 1132),
    "Monoraphidium_contortum": (352, 327),
    "Nitzschia_paleacea": (11, 65),
    "Nodularia_spumigena": (66, 169),
    "Oocystis_sp": (100, 842),
    "Pseudopedinella_sp": (57, 379),
    "Pyramimonas_sp": (851, 1224),
    "Skeletonema_marinoi": (35, 4128),
    "Snowella_Woronichinia": (61, 2950),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DaplanktonConfig:
    """Settings of DAPlankton."""

    root: Path | None = setting(
        None, "Folder or zip file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    joined: bool = setting(
        False, "Offer the parts lab and sea with all instruments and a column `instrument` for splits.transfer."
    )
    channels: GrayOrColor = channels_setting("gray", "gray converts to gray as the study does; color keeps the color.")


def counts() -> Mapping[str, Mapping[str, int]]:
    """Images by part and class."""
    lab = {part: {name: row[place] for name, row in LAB.items()} for place, part in enumerate(("cs", "fc", "ifcb"))}
    sea = {part: {name: row[place] for name, row in SEA.items()} for place, part in enumerate(("cs", "ifcb"))}
    return {f"lab/{p}": c for p, c in lab.items()} | {f"sea/{p}": c for p, c in sea.items()}


def parts(config: DaplanktonConfig) -> tuple[str, ...]:
    """Subset and instrument, or subset alone."""
    return ("lab", "sea") if config.joined else PARTS


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[DaplanktonConfig]]:
    yield DatasetSpec(
        name="daplankton",
        version=3,
        summary="111,924 phytoplankton images, 44 classes, three instruments, lab and sea",
        citation=DAPLANKTON,
        config=DaplanktonConfig,
        smoke=DaplanktonConfig(),
        build="sslbench_plankton.datasets.daplankton_reader:open_part",
        parts=parts,
        label_preserving="plankton",
        card=DatasetCard(
            license="CC BY 4.0",
            citation=DAPLANKTON,
            source="doi 10.23729/32583bd0-38cd-4532-a8d6-fc9dc5967dce",
            obtain=(
                "request it from Fairdata's Etsin (doi 10.23729/32583bd0-38cd-4532-a8d6-fc9dc5967dce), which sends a "
                "single-use link to a zip; that zip, or the DAPlankton folder in it, is what is read"
            ),
            checksums={"DAPlankton.zip": "765aa2204248454751f7f39f17a6b8067c34690fb82ebaf7ed8818a1f7b2abbf"},
            counts=counts(),
            modalities={"image": Modality(layout="image", shape=(1, 0, 0))},
        ),
    )
