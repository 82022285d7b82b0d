"""Names of version 0.1 in `sslbench.api`: importing an old one raises an ImportError that states the new one.

Delete this module one version later.
"""

from __future__ import annotations

from collections.abc import Mapping

SPEC_FIELDS: Mapping[str, str] = {
    "answers_to": "resolve_name",
    "asks_learnt": "tests_on_training_rows",
    "by_default": "is_default",
    "fresh": "random_init",
    "licence": "license",
    "remembers_rows": "has_per_sample_state",
    "takes_target": "uses_labels",
    "unlearnt": "without_weights",
    "uses": "dependencies",
}
"""Fields of specs and cards, old to new."""
API: Mapping[str, str] = {
    "Apply": "OperationStep",
    "Arrays": "ImageArtifact",
    "Artefact": "Artifact",
    "Card": "DatasetCard",
    "Changed": "TransformedDataset",
    "Columns": "TableArtifact",
    "Crew": "WorkerPool",
    "Draws": "KeyedRandom",
    "Facts": "PlanContext",
    "Group": "ParameterGroup",
    "Instrument": "Evaluator",
    "RowGroups": "SampleGroups",
    "Survey": "UnaugmentedPass",
    "Use": "Dependency",
    "World": "ProcessGroup",
}
"""Names in `sslbench.api`, old to new."""


def missing_name(module: str, name: str) -> Exception:
    """Return the error for a name that a module does not have: ImportError for an old name, else AttributeError."""
    if name in API:
        return ImportError(f"{module}.{name} is now {module}.{API[name]}")
    return AttributeError(f"module {module!r} has no attribute {name!r}")
