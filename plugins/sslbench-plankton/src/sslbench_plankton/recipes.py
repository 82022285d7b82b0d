"""The recipes of the plankton MAE study for `mae`: data, no code (arXiv 2503.11341, section 3). Those of the cross-modal
study are in `recipes_of_pairs`.

Left open by the paper: the warm-up of pretraining (MAE's 40 epochs here), whether fine-tuning's rate is scaled by the batch
(not here), the pooling before the head (the mean of the tokens), which epoch counts (the last).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import RecipeSpec, Setting, hookimpl
from sslbench_plankton.citations import PLANKTON_MAE

FINETUNING: Mapping[str, Setting] = {  # section 3: fine-tuning
    "protocols.finetune.epochs": 50,
    "protocols.finetune.batch": 128,
    "protocols.finetune.rate": 2e-3,
    "protocols.finetune.decay": 0.01,
    "protocols.finetune.warmup": 5,
    "protocols.finetune.head": "bottleneck",
    "protocols.finetune.bottleneck": 512,
    "protocols.finetune.layer_decay": 0.75,
    "protocols.finetune.drop_path": 0.2,
    "protocols.finetune.smoothing": 0.1,
}
PRETRAINING: Mapping[str, Setting] = {  # section 3: pretraining
    "augmentation.name": "plankton",
    "method.mask": 0.75,
    "train.optimiser": "adamw",
    "train.betas": (0.9, 0.95),
    "train.decay": 0.05,
}


@hookimpl
def sslbench_recipes() -> Iterable[RecipeSpec]:
    yield RecipeSpec(
        name="plankton-mae-small",
        version=1,
        summary="the plankton MAE study's masks, views and fine-tuning on a micro ViT, for small pictures and two cores",
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
            "train.batch": 64,
            "train.rate": 2e-3,
            "train.warmup": 4,
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
            "train.batch": 4096,
            "train.rate": 1.5e-4,
            "train.scale_rate": True,
            "train.warmup": 40,
        },
    )
