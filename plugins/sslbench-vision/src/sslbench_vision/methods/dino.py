"""DINO: train a student to predict a momentum teacher's soft clusters, centered and sharpened. Spec only; see `dino_model`.

Views have the roles 'global' (two, for both networks) and 'local' (`local` views, for the student). The paper evaluates
the teacher; solo-learn evaluates the student: `keep`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from sslbench.api import (
    MethodSpec,
    Momentum,
    NonNegativeInt,
    PlanContext,
    PositiveFloat,
    PositiveInt,
    Range,
    Role,
    hookimpl,
    setting,
)
from sslbench_vision.citations import DINO
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class DinoConfig:
    """Settings of DINO; the default of `drop_path` is `--drop_path_rate` of the authors' main_dino.py."""

    hidden: PositiveInt = setting(2048, "Width of the head's hidden layers.")
    bottleneck: PositiveInt = setting(256, "Width of the head's bottleneck.")
    prototypes: PositiveInt = setting(65_536, "Prototypes, the width of the head's output.")
    temperature: PositiveFloat = setting(0.1, "Temperature of the student's softmax.")
    first_teacher_temperature: PositiveFloat = setting(
        0.04, "Temperature of the teacher's softmax at the start of its warm-up."
    )
    teacher_temperature: PositiveFloat = setting(0.07, "Temperature of the teacher's softmax after its warm-up.")
    teacher_warmup_epochs: NonNegativeInt = setting(
        30, "Epochs of linear warm-up of the teacher's temperature; 0: none.", old_names=("warmup",)
    )
    center_momentum: Momentum = setting(
        0.9, "Momentum of the center of the teacher's outputs.", old_names=("centre_momentum",)
    )
    momentum: Momentum = setting(
        0.996, "Momentum of the teacher at the start; it changes to `final_momentum` by a cosine."
    )
    final_momentum: Momentum = setting(1.0, "Momentum of the teacher at the end of training.")
    freeze: NonNegativeInt = setting(1, "Epochs at the start in which prototypes are frozen.")
    local: NonNegativeInt = setting(0, "Small local views of each sample, in addition to two global views.")
    drop_path: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.1, "Rate at which the student drops residual branches, if its encoder can; the teacher drops none."
    )
    keep: Literal["teacher", "student"] = setting("teacher", "Encoder that is evaluated.")


def views(config: DinoConfig) -> Mapping[str, Role]:
    """Return the roles of views: two global views and `local` local views of each sample."""
    return {"global": Role(count=2), **({"local": Role(count=config.local)} if config.local else {})}


def reset_unused(config: DinoConfig) -> DinoConfig:
    """Reset the first temperature of the teacher if it has no warm-up."""
    default = DinoConfig().first_teacher_temperature
    return config if config.teacher_warmup_epochs else replace(config, first_teacher_temperature=default)


def check(config: DinoConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if config.freeze >= context.epochs:
        yield (
            f"method.freeze={config.freeze}: prototypes would stay frozen in all train.epochs={context.epochs} epochs. "
            "Set it lower"
        )


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[DinoConfig]]:
    yield MethodSpec(
        name="dino",
        version=2,
        summary="self-distillation: predict the centered and sharpened soft clusters of a momentum teacher",
        citation=DINO,
        config=DinoConfig,
        smoke=DinoConfig(hidden=16, bottleneck=8, prototypes=32, freeze=0, drop_path=0.0),
        build="sslbench_vision.methods.dino_model:Dino",
        check=check,
        reset_unused=reset_unused,
        views=views,
        family="clustering",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__bottleneck=128, method__prototypes=1024, method__teacher_warmup_epochs=0,
                  method__teacher_temperature=0.04, method__momentum=0.98, method__drop_path=0.0),
            original(
                "ViT-S/16 at 224 px with ten local views, AdamW, batch 1,024, 800 epochs",
                "DINO, section 3.2 and appendix; facebookresearch/dino, main_dino.py",
                backbone__name="vit_small_patch16_224", backbone__any_size=True, augmentation__name="dino",
                method__local=10, train__epochs=800, train__batch_size=1024, train__optimizer="adamw", train__lr=5e-4,
                train__min_lr=1e-6, train__weight_decay=0.04, train__final_weight_decay=0.4, train__warmup_epochs=10,
                train__grad_clip=3.0,
                train__grad_clip_by="parameter",  # clip_gradients: each parameter's gradient by its own norm
            ),
            bias_study(lr=0.3, weight_decay=1e-4, batch_size=256, method__prototypes=4096,
                       method__teacher_warmup_epochs=50,
                       method__momentum=0.9995, method__keep="student"),
            bias_study(lr=0.3, weight_decay=1e-6, batch_size=256, name="bias-study-script", method__prototypes=4096,
                       method__teacher_warmup_epochs=50, method__momentum=0.9995, method__keep="student"),
            # its configuration has no warmup_teacher_temperature_epochs: the teacher's temperature is always 0.07
            solo_learn(lr=0.3, weight_decay=1e-6, augmentation="solo-learn-asymmetric", method__prototypes=4096,
                       method__teacher_warmup_epochs=0, method__momentum=0.9995, method__keep="student"),
        ),
    )  # fmt: skip
