"""ReSSL: match the similarities of strong and weak views to a queue. Spec only; see `ressl_model`.

An augmentation may define the roles 'strong' and 'weak' (the set `ressl` does); otherwise both are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import MethodSpec, Momentum, PositiveFloat, PositiveInt, Range, Role, hookimpl, setting
from sslbench_vision.citations import RESSL
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class ResslConfig:
    """Settings of ReSSL."""

    hidden: PositiveInt = setting(4096, "Width of the projector's hidden layer.")
    out: PositiveInt = setting(512, "Width of the projector's output.")
    batch_norm: bool = setting(False, "Use batch norm in the projector.")
    temperature: PositiveFloat = setting(0.1, "Temperature of the softmax for strong views.")
    teacher_temperature: PositiveFloat = setting(
        0.04, "Temperature of the momentum network's softmax for weak views; lower is sharper."
    )
    queue: Annotated[int, Range(at_least=2)] = setting(131_072, "Size of the queue in embeddings.")
    momentum: Momentum = setting(
        0.999, "Momentum of the momentum network at the start; it changes to `final_momentum` by a cosine."
    )
    final_momentum: Momentum = setting(0.999, "Momentum of the momentum network at the end of training.")


def views(config: ResslConfig) -> Mapping[str, Role]:
    """Return the roles of views: a strong view for the student, a weak view for the momentum network."""
    return {"strong": Role(count=1), "weak": Role(count=1)}


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[ResslConfig]]:
    yield MethodSpec(
        name="ressl",
        version=2,
        summary="relational: match a strong view's similarities to a queue with those of a weak view",
        citation=RESSL,
        config=ResslConfig,
        smoke=ResslConfig(hidden=16, out=8, queue=64),
        build="sslbench_vision.methods.ressl_model:Ressl",
        views=views,
        family="relational",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=128, method__batch_norm=True,
                  method__queue=2048, method__momentum=0.98, method__final_momentum=1.0),
            original(
                "ResNet-50 at 224 px, SGD, batch 256, 200 epochs", "ReSSL, section 4 and its code",
                augmentation__name="ressl", train__epochs=200, train__batch_size=256, train__optimizer="sgd",
                train__lr=0.05, train__weight_decay=1e-4, train__warmup_epochs=5,
            ),
            bias_study(lr=0.05, weight_decay=1e-4, augmentation="bias-study-weak", method__out=256,
                       method__queue=65_536,
                       method__momentum=0.99, method__final_momentum=1.0),
            # its augmentations/ressl.yaml crops from 0.08 with saturation 0.2, the paper from 0.2 with 0.4
            solo_learn(lr=0.05, weight_decay=1e-4, optimizer="sgd", augmentation="ressl",
                       augmentation__crop__scale=(0.08, 1.0), augmentation__jitter__saturation=0.2, method__out=256,
                       method__queue=65_536, method__momentum=0.99, method__final_momentum=1.0),
        ),
    )  # fmt: skip
