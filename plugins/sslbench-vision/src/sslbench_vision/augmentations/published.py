"""Augmentation sets of published recipes: data, no code. Sets of everyday use are in `everyday`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import Apply, AugmentationSpec, Citation, Setting, hookimpl
from sslbench_vision.citations import BIAS_STUDY, BYOL, DINO, MOCO_V2, RESSL, SOLO_LEARN, SWAV, W_MSE

Probability = float | tuple[float, ...]
UNTOUCHED: Mapping[str, Mapping[str, Setting]] = {"jitter": {"p": 0.0}, "grey": {"p": 0.0}, "blur": {"p": 0.0}}


def colourful(
    name: str,
    summary: str,
    citation: Citation,
    *,
    scale: tuple[float, float] = (0.08, 1.0),
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1),
    grey: Probability = 0.2,
    blur: Probability = 0.0,
    solarise: Probability = 0.0,
    roles: Mapping[str, Mapping[str, Mapping[str, Setting]]] | None = None,
    version: int = 1,
) -> AugmentationSpec:
    """Crop, jitter (limits of brightness, contrast, saturation, hue), grey, blur, solarise, flip, as most papers order it."""
    limits = dict(zip(("brightness", "contrast", "saturation", "hue"), jitter, strict=True))
    return AugmentationSpec(
        name=name,
        version=version,
        summary=summary,
        citation=citation,
        operations={
            "crop": Apply(operation="random-resized-crop", settings={"scale": scale, "interpolation": "bicubic"}),
            "jitter": Apply(operation="colour-jitter", p=0.8, settings=limits),
            "grey": Apply(operation="grey", p=grey),
            "blur": Apply(operation="blur", p=blur),
            "solarise": Apply(operation="solarise", p=solarise),
            "flip": Apply(operation="horizontal-flip", p=0.5),
        },
        roles=roles or {},
    )


def crops(wide: tuple[float, float], narrow: tuple[float, float]) -> dict[str, dict[str, Mapping[str, Setting]]]:
    """Large global crops and local ones of 96 px, by their shares of the area."""
    return {"global": {"crop": {"scale": wide}}, "local": {"crop": {"scale": narrow, "size": 96}}}


DINO_ROLES = crops((0.4, 1.0), (0.05, 0.4))
DINO_ROLES["local"] |= {"blur": {"p": 0.5}, "solarise": {"p": 0.0}}

SETS = (
    colourful(
        "swav", "two global crops and small local ones, strong jitter and blur (SwAV, appendix A)", SWAV,
        jitter=(0.8, 0.8, 0.8, 0.2), blur=0.5, roles=crops((0.14, 1.0), (0.05, 0.14)),
    ),
    colourful(
        "dino", "two unlike global crops, as BYOL's, and small local ones (DINO, section 3.2)", DINO, blur=(1.0, 0.1),
        solarise=(0.0, 0.2), roles=DINO_ROLES,
    ),
    colourful(
        "moco-v2", "crop of at least a fifth, jitter, grey, blur, flip (MoCo v2, section 3)", MOCO_V2, scale=(0.2, 1.0),
        jitter=(0.4, 0.4, 0.4, 0.1), blur=0.5,
    ),
    colourful(
        "byol", "two unlike views: always and hardly ever blurred, never and sometimes solarised (BYOL, appendix B)", BYOL,
        blur=(1.0, 0.1), solarise=(0.0, 0.2),
    ),
    colourful(
        "ressl", "a strong view, and a weak one that is only cropped and flipped (ReSSL, section 3.2)", RESSL,
        scale=(0.2, 1.0), jitter=(0.4, 0.4, 0.4, 0.1), blur=0.5, roles={"weak": UNTOUCHED}, version=2,
    ),
    colourful(
        "w-mse", "crop of at least a fifth, jitter, some grey, flip (W-MSE, section 5)", W_MSE, scale=(0.2, 1.0),
        jitter=(0.4, 0.4, 0.4, 0.1), grey=0.1,
    ),
    colourful("bias-study", "crop, jitter with hue 0.1, grey, flip: the base of its sweeps", BIAS_STUDY),
    colourful(
        "bias-study-wide", "as bias-study, crops of at least a fifth of the area (VICReg, VIbCReg)", BIAS_STUDY,
        scale=(0.2, 1.0),
    ),
    colourful(
        "bias-study-weak", "as bias-study, with a weak view that is not jittered (ReSSL)", BIAS_STUDY,
        roles={"weak": {"jitter": {"p": 0.0}}},
    ),
    colourful(
        "solo-learn-symmetric", "strong jitter and blur on both views (its CIFAR sets)", SOLO_LEARN,
        jitter=(0.8, 0.8, 0.8, 0.2), blur=0.5,
    ),
    colourful(
        "solo-learn-asymmetric", "the second view is sometimes solarised (its CIFAR sets)", SOLO_LEARN, solarise=(0.0, 0.2)
    ),
    colourful(
        "solo-learn-solarise", "crops of at least a fifth, some solarised (its CIFAR sets)", SOLO_LEARN, scale=(0.2, 1.0),
        solarise=0.1,
    ),
)  # fmt: skip


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    return SETS
