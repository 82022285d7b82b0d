"""MAE: hide most patches, encode the others, reconstruct the hidden ones. Spec only; see `mae_model`.

Differences from the paper in `original`: a timm ViT has timm's initial weights; those of the authors are Xavier-uniform.
The random numbers of masks are keyed by sample, so masks are the same in any batch and any number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import MethodSpec, NonNegativeInt, PlanContext, PositiveInt, Range, Recipe, Role, hookimpl, setting
from sslbench_vision.citations import MAE


@dataclass(frozen=True, slots=True, kw_only=True)
class MaeConfig:
    """Settings of MAE (sections 3 and A.1)."""

    mask: Annotated[float, Range(above=0, below=1)] = setting(0.75, "Fraction of patches that are hidden.")
    decoder_depth: NonNegativeInt = setting(8, "Transformer blocks of the decoder.")
    decoder_width: PositiveInt = setting(512, "Width of the decoder; a multiple of 4 and of `decoder_heads`.")
    decoder_heads: PositiveInt = setting(16, "Attention heads of the decoder.")
    normalize_patches: bool = setting(
        True,
        "Reconstruct each patch after normalizing it by its own mean and deviation.",
        old_names=("normalise_patches",),
    )
    fixed_positions: bool = setting(True, "Replace learned positions of the encoder by fixed sine-cosine positions.")


def views(config: MaeConfig) -> Mapping[str, Role]:
    """Return the roles of views: one view of each sample."""
    return {"view": Role(count=1)}


def check(config: MaeConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if config.decoder_width % config.decoder_heads or config.decoder_width % 4:
        yield (
            f"method.decoder_width={config.decoder_width}: must be a multiple of 4 and of "
            f"method.decoder_heads={config.decoder_heads}. Change one of them"
        )
    for name, modality in context.modalities.items():
        if modality.layout != "image":
            yield f"'mae' needs images, but modality {name!r} has layout {modality.layout}. Choose another method"


ORIGINAL = Recipe(
    name="original",
    summary="the paper's: ViT-L/16 at 224 px, AdamW, batch 4,096, 800 epochs",
    source="MAE, appendix A.1 (table 8); facebookresearch/mae, main_pretrain.py",
    settings={
        "backbone.name": "vit_large_patch16_224",
        "augmentation.name": "crop-flip",
        "view.size": 224,
        "train.epochs": 800,
        "train.batch_size": 4096,
        "train.optimizer": "adamw",
        "train.lr": 1.5e-4,
        "train.scale_lr": True,
        "train.betas": (0.9, 0.95),
        "train.weight_decay": 0.05,
        "train.warmup_epochs": 40,
    },
)
QUICK = Recipe(
    name="quick",
    summary="two cores, small images: a micro ViT and small batches; batch and mask selected on validation data of NDSB",
    source="sslbench: batch and mask selected on validation data of NDSB plankton; betas and decay: MAE, appendix A.1",
    settings={
        "backbone.name": "micro-vit",
        "augmentation.name": "crop-flip",
        "method.mask": 0.5,
        "method.decoder_depth": 2,
        "method.decoder_width": 64,
        "method.decoder_heads": 4,
        "train.epochs": 40,
        "train.batch_size": 64,
        "train.optimizer": "adamw",
        "train.lr": 2e-3,
        "train.betas": (0.9, 0.95),
        "train.weight_decay": 0.05,
        "train.warmup_epochs": 4,
    },
    samples=(0, 200_000),
    pixels=(0, 96 * 96),
)

TINY = Recipe(
    name="tiny",
    summary="a few thousand thumbnails; batch, mask and crop selected on validation data of digits",
    source="sslbench: selected on validation data of digits",
    settings={
        **QUICK.settings,
        "backbone.width": 64,
        "augmentation.name": "crop",
        "method.decoder_width": 128,
        "train.lr": 1e-3,
        "train.precision": "float32",  # twice as fast as bfloat16 at this size on a CPU
    },
    samples=(0, 5_000),
    pixels=(0, 32 * 32),
)


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[MaeConfig]]:
    yield MethodSpec(
        name="mae",
        version=3,
        summary="masked autoencoder: encode a quarter of the patches, reconstruct the hidden ones",
        citation=MAE,
        config=MaeConfig,
        smoke=MaeConfig(decoder_depth=1, decoder_width=32, decoder_heads=2),
        build="sslbench_vision.methods.mae_model:Mae",
        check=check,
        views=views,
        family="masked",
        requires=frozenset({"tokens"}),
        recipes=(TINY, QUICK, ORIGINAL),
    )
