"""Names of version 0.1 in `sslbench.api` and its modules: importing an old one raises an ImportError with the new one.

Delete this module one version later.
"""

from __future__ import annotations

import sys
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
"""Names in `sslbench.api` and in the module that defines them, old to new."""
NAMES: Mapping[str, Mapping[str, str]] = {
    "sslbench.api.defaults": {
        "as_it_is": "keep_config",
        "asks_nothing_learnt": "tests_on_no_training_row",
        "change_nothing": "keep_settings",
        "name_nothing": "no_title",
        "need_no_library": "no_libraries",
        "no_other_name": "resolve_no_name",
        "none": "zero",
        "nothing_wrong": "accept_all",
        "uses_nothing": "no_dependencies",
        "warn_of_nothing": "no_warnings",
    },
    "sslbench.api.executors": {"nothing_missing": "always_available"},
    "sslbench.api.files": {
        "CHUNK": "FILES_PER_TASK",
        "LONGEST_TITLE": "MAX_TITLE_LENGTH",
        "contents": "digest_files",
    },
    "sslbench.api.image_boxes": {"middle": "center_boxes", "whole": "full_boxes"},
    "sslbench.api.image_set": {"Span": "IntensityLimits"},
    "sslbench.api.transformed_dataset": {
        "ASKED_FOR": "OPTIONAL_MEMBERS",
        "Changed": "TransformedDataset",
        "unchanged": "keep_sample",
    },
}
"""Names in one module only, old to new."""
MODULES: Mapping[str, str] = {
    "sslbench.api.changed": "sslbench.api.transformed_dataset",
    "sslbench.api.fits": "sslbench.api.training_budget",
    "sslbench.api.pictures": "sslbench.api.image_boxes",
}
"""Modules, old to new."""


def missing_name(module: str, name: str) -> Exception:
    """Return the error for a name that a module does not have: ImportError for an old name, else AttributeError."""
    new = NAMES.get(module, {}).get(name) or API.get(name)
    if new in vars(sys.modules[module]):
        return ImportError(f"{module}.{name} is now {module}.{new}")
    return AttributeError(f"module {module!r} has no attribute {name!r}")


def moved_module(module: str) -> ImportError:
    """Return the error for an import of an old module, with its renamed content."""
    new = MODULES[module]
    renamed = ", ".join(f"{old} is now {name}" for old, name in NAMES.get(new, {}).items())
    return ImportError(f"{module} is now {new}" + (f" ({renamed})" if renamed else ""))
