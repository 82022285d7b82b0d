"""Settings of the bi-modal crop study's pretraining, which its methods share."""

from __future__ import annotations

from sslbench.api import Recipe, Setting

SOURCE = "Patnala et al. 2024 (doi 10.3389/frsen.2024.1480101); weight decay and constant rate: its released code"


def crop_study(augmentation: str, **method: Setting) -> Recipe:
    """Return the recipe of the study: res-mlp, Adam, 100 epochs in batches of 2,048."""
    return Recipe(
        name="crop-study",
        summary="the bi-modal crop study's: res-mlp, Adam, 100 epochs in batches of 2,048",
        source=SOURCE,
        settings={
            "backbone.name": "res-mlp",
            "augmentation.name": augmentation,
            "train.epochs": 100,
            "train.batch_size": 2048,
            "train.optimizer": "adam",
            "train.lr": 1e-3,
            "train.weight_decay": 1e-5,
            "train.schedule": "constant",
            **{f"method.{name}": value for name, value in method.items()},
        },
    )
