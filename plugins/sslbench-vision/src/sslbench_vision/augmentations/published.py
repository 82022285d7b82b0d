"""Define augmentations of published recipes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import AugmentationSpec, Citation, OperationStep, Setting, hookimpl
from sslbench_vision.citations import BIAS_STUDY, BYOL, DINO, MOCO_V2, RESSL, SOLO_LEARN, SWAV, W_MSE

Probability = float | tuple[float, ...]
NO_COLOR_CHANGE: Mapping[str, Mapping[str, Setting]] = {"jitter": {"p": 0.0}, "gray": {"p": 0.0}, "blur": {"p": 0.0}}


def make_set(
    name: str,
    summary: str,
    citation: Citation,
    *,
    scale: tuple[float, float] = (0.08, 1.0),
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1),
    gray: Probability = 0.2,
    blur: Probability = 0.0,
    solarize: Probability = 0.0,
    roles: Mapping[str, Mapping[str, Mapping[str, Setting]]] | None = None,
    version: int = 1,
) -> AugmentationSpec:
    """Make the usual set: crop, jitter (brightness, contrast, saturation, hue), gray, blur, solarize, flip."""
    limits = dict(zip(("brightness", "contrast", "saturation", "hue"), jitter, strict=True))
    return AugmentationSpec(
        name=name,
        version=version,
        summary=summary,
        citation=citation,
        operations={
            "crop": OperationStep(
                operation="random-resized-crop", settings={"scale": scale, "interpolation": "bicubic"}
            ),
            "jitter": OperationStep(operation="color-jitter", p=0.8, settings=limits),
            "gray": OperationStep(operation="grayscale", p=gray, random_key="grey"),
            "blur": OperationStep(operation="blur", p=blur),
            "solarize": OperationStep(operation="solarize", p=solarize, random_key="solarise"),
            "flip": OperationStep(operation="horizontal-flip", p=0.5),
        },
        roles=roles or {},
    )


def crop_roles(
    global_scale: tuple[float, float], local_scale: tuple[float, float]
) -> dict[str, dict[str, Mapping[str, Setting]]]:
    """Return the roles of global crops and of local crops of 96 px, by fractions of the area."""
    return {"global": {"crop": {"scale": global_scale}}, "local": {"crop": {"scale": local_scale, "size": 96}}}


DINO_ROLES = crop_roles((0.4, 1.0), (0.05, 0.4))
DINO_ROLES["local"] |= {"blur": {"p": 0.5}, "solarize": {"p": 0.0}}

SETS = (
    make_set(
        "swav", "two global crops and small local ones, strong jitter and blur (SwAV, appendix A)", SWAV,
        jitter=(0.8, 0.8, 0.8, 0.2), blur=0.5, roles=crop_roles((0.14, 1.0), (0.05, 0.14)),
    ),
    make_set(
        "dino", "two different global crops, as in BYOL, and small local ones (DINO, section 3.2)", DINO, blur=(1.0, 0.1),
        solarize=(0.0, 0.2), roles=DINO_ROLES,
    ),
    make_set(
        "moco-v2", "crop of at least a fifth, jitter, gray, blur, flip (MoCo v2, section 3)", MOCO_V2, scale=(0.2, 1.0),
        jitter=(0.4, 0.4, 0.4, 0.1), blur=0.5,
    ),
    make_set(
        "byol", "two different views: blurred always and rarely, solarized never and sometimes (BYOL, appendix B)", BYOL,
        blur=(1.0, 0.1), solarize=(0.0, 0.2),
    ),
    make_set(
        "ressl", "a strong view, and a weak one that is only cropped and flipped (ReSSL, section 3.2)", RESSL,
        scale=(0.2, 1.0), jitter=(0.4, 0.4, 0.4, 0.1), blur=0.5, roles={"weak": NO_COLOR_CHANGE}, version=2,
    ),
    make_set(
        "w-mse", "crop of at least a fifth, jitter, some gray, flip (W-MSE, section 5)", W_MSE, scale=(0.2, 1.0),
        jitter=(0.4, 0.4, 0.4, 0.1), gray=0.1,
    ),
    make_set("bias-study", "crop, jitter with hue 0.1, gray, flip: the base of its sweeps", BIAS_STUDY),
    make_set(
        "bias-study-wide", "as bias-study, crops of at least a fifth of the area (VICReg, VIbCReg)", BIAS_STUDY,
        scale=(0.2, 1.0),
    ),
    make_set(
        "bias-study-weak", "as bias-study, with a weak view that is not jittered (ReSSL)", BIAS_STUDY,
        roles={"weak": {"jitter": {"p": 0.0}}},
    ),
    make_set(
        "solo-learn-symmetric", "strong jitter and blur on both views (its CIFAR sets)", SOLO_LEARN,
        jitter=(0.8, 0.8, 0.8, 0.2), blur=0.5,
    ),
    make_set(
        "solo-learn-asymmetric", "the second view is sometimes solarized (its CIFAR sets)", SOLO_LEARN, solarize=(0.0, 0.2)
    ),
    make_set(
        "solo-learn-solarize", "crops of at least a fifth, some solarized (its CIFAR sets)", SOLO_LEARN, scale=(0.2, 1.0),
        solarize=0.1,
    ),
)  # fmt: skip


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    return SETS
