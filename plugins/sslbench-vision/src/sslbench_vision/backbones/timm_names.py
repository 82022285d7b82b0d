"""List timm's model names and their architectures. timm is imported by the first call."""

from __future__ import annotations

from functools import lru_cache

CONVOLUTIONAL = ("resnet", "convnext", "efficientnet", "vgg", "regnet", "densenet", "mobilenetv3", "resnetv2")


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """Return timm's model names, with and without the tag of published weights."""
    import timm

    return frozenset(timm.list_models()) | frozenset(timm.list_pretrained())


def is_vit(model: str) -> bool:
    """Return whether a model is a plain vision transformer."""
    return _is_in(model, ["vision_transformer"])


def is_eva(model: str) -> bool:
    """Return whether a model is an `Eva`: EVA-02, DINOv3, and vision transformers with rotary positions."""
    return _is_in(model, ["eva"])


def has_stages(model: str) -> bool:
    """Return whether a model is a ResNet or a ConvNeXt, whose features are pooled from the map after its last stage."""
    return _is_in(model, ["resnet", "convnext"])


def is_convolutional(model: str) -> bool:
    """Return whether a model is convolutional, and so accepts images of any size."""
    return _is_in(model, list(CONVOLUTIONAL))


def _is_in(model: str, modules: list[str]) -> bool:
    from timm.models import is_model_in_modules

    return bool(is_model_in_modules(model.split(".")[0], modules))
