"""Dependence of features on descriptors of the image. Spec only; see `dependence_evaluator`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import Dependency, Derivation, Metric, Need, NonEmpty, ProtocolSpec, Range, Varied, hookimpl, setting
from sslbench_mvmr.citations import DISTANCE_CORRELATION


@dataclass(frozen=True, slots=True, kw_only=True)
class DependenceConfig:
    """Settings of the protocol."""

    descriptors: NonEmpty[str] = setting(
        ("pixels", "scattering", "hog", "local-deviation"), "Encoders that the features are compared with."
    )
    max_samples: Annotated[int, Range(at_least=4)] = setting(
        1024, "Largest number of test samples used; of more, evenly spaced ones are taken."
    )
    space: str = setting("", "Space whose features are compared, such as 'projector'. Empty: the encoders' output.")


def dependencies(config: DependenceConfig) -> Mapping[str, Dependency]:
    """Return the descriptors; their slots are their names."""
    return {name: Dependency(kind="backbone", name=name) for name in config.descriptors}


def max_test_samples(config: DependenceConfig) -> int:
    """Return the limit on the test samples."""
    return config.max_samples


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[DependenceConfig]]:
    yield ProtocolSpec(
        name="dependence",
        version=1,
        summary="how much the features of test images depend on hand-crafted descriptors",
        citation=DISTANCE_CORRELATION,
        config=DependenceConfig,
        smoke=DependenceConfig(descriptors=("pixels",), max_samples=32),
        build="sslbench_mvmr.protocols.dependence_evaluator:Dependence",
        dependencies=dependencies,
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class", "labels", "value", "none"}),
        varies=(Varied(name="descriptor"),),
        label_fractions=False,
        max_test_samples=max_test_samples,
        metrics=(
            Metric(
                name="distance_correlation",
                low=-1,
                high=1,
                derived_from=Derivation.FEATURES,
                is_shown=True,
                summary="bias-corrected squared distance correlation with a descriptor: 0 for independence",
                source="Szekely, Rizzo (2014): Partial distance correlation with methods for dissimilarities",
            ),
        ),
    )
