"""The recipes of the plankton MAE study for `mae`: data, no code (arXiv 2503.11341, section 3). Those of the cross-modal
study are in `pair_recipes`.

Left open by the paper: the warm-up of pretraining (MAE's 40 epochs here), whether fine-tuning's rate is scaled by the batch
(not here), the pooling before the head (the mean of the tokens), which epoch counts (the last).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import RecipeSpec, Setting, hookimpl
from sslbench_plankton.citations import PLANKTON_MAE

FINETUNING: Mapping[str, Setting] = {  # section 3: fine-tuning
    "protocol_settings.finetune.epochs": 50,
    "protocol_settings.finetune.batch_size": 128,
    "protocol_settings.finetune.lr": 2e-3,
    "protocol_settings.finetune.weight_decay": 0.01,
    "protocol_settings.finetune.warmup_epochs": 5,
    "protocol_settings.finetune.head": "bottleneck",
    "protocol_settings.finetune.bottleneck": 512,
    "protocol_settings.finetune.layer_decay": 0.75,
    "protocol_settings.finetune.drop_path": 0.2,
    "protocol_settings.finetune.label_smoothing": 0.1,
}
PRETRAINING: Mapping[str, Setting] = {  # section 3: pretraining
    "augmentation.name": "plankton",
    "method.mask": 0.75,
    "train.optimizer": "adamw",
    "train.betas": (0.9, 0.95),
    "train.weight_decay": 0.05,
}


@hookimpl
def sslbench_recipes() -> Iterable[RecipeSpec]:
    yield RecipeSpec(
        name="plankton-mae-small",
        version=1,
        summary="the plankton MAE study's masks, views and fine-tuning on a micro ViT, for small images and two cores",
        citation=PLANKTON_MAE,
        source="arXiv 2503.11341, section 3; encoder, decoder and schedule: sslbench, for two cores",
        method="mae",
        datasets=("daplankton", "plankton-folder"),
        pixels=(0, 96 * 96),
        settings={
            **PRETRAINING,
            **FINETUNING,
            "backbone.name": "micro-vit",
            "method.decoder_depth": 2,
            "method.decoder_width": 64,
            "method.decoder_heads": 4,
            "train.epochs": 40,
            "train.batch_size": 64,
            "train.lr": 2e-3,
            "train.warmup_epochs": 4,
        },
    )
    yield RecipeSpec(
        name="plankton-mae",
        version=1,
        summary="the plankton MAE study's: ViT-L/16 at 224 px, batch 4,096, 800 epochs; fine-tuning of 50 epochs",
        citation=PLANKTON_MAE,
        source="arXiv 2503.11341, section 3; the warm-up: MAE, appendix A.1",
        method="mae",
        datasets=("daplankton", "plankton-folder"),
        pixels=(96 * 96 + 1, 2**62),
        settings={
            **PRETRAINING,
            **FINETUNING,
            "backbone.name": "vit_large_patch16_224",
            "view.size": 224,
            "train.epochs": 800,
            "train.batch_size": 4096,
            "train.lr": 1.5e-4,
            "train.scale_lr": True,
            "train.warmup_epochs": 40,
        },
    )
