"""All that a plugin may import: values, specs, hooks, errors (no torch) and, apart, `sslbench.api.modules` (torch)."""

from sslbench.api.errors import (
    DataBroken,
    DataMissing,
    Diverged,
    ImplementationError,
    RequestError,
    SslbenchError,
    Unavailable,
    UnexpectedFormat,
)
from sslbench.api.executors import Crew, Executor, ExecutorSpec
from sslbench.api.hooks import hookimpl
from sslbench.api.protocols import Metric, Need, ProtocolSpec, RenamedMetric
from sslbench.api.ranges import (
    AnyFloat,
    Ascending,
    Length,
    Limit,
    Momentum,
    NonEmpty,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Range,
    Several,
    Share,
    Span,
)
from sslbench.api.recipes import RecipeSpec
from sslbench.api.references import Published, ReferenceSpec
from sslbench.api.specs import (
    Apply,
    AugmentationSpec,
    BackboneSpec,
    Card,
    Citation,
    Dataset,
    DatasetSpec,
    MethodParts,
    MethodSpec,
    OperationParts,
    OperationSpec,
    Recipe,
    Setting,
    Source,
    Spec,
    StudySpec,
    Use,
)
from sslbench.api.training_budget import Fit
from sslbench.api.values import (
    Arrays,
    Artefact,
    Batch,
    Columns,
    DataDescription,
    Draws,
    Event,
    Facts,
    FeatureTable,
    Layout,
    Loss,
    Modality,
    Outcome,
    Role,
    RowGroups,
    Scalar,
    Shapes,
    Step,
    Survey,
    Target,
    Task,
    View,
    World,
)

__all__ = [
    "AnyFloat", "Apply", "Arrays", "Artefact", "Ascending", "AugmentationSpec", "BackboneSpec", "Batch", "Card",
    "Citation", "Columns", "Crew", "DataBroken", "DataDescription", "DataMissing", "Dataset", "DatasetSpec",
    "Diverged", "Draws", "Event", "Executor", "ExecutorSpec", "Facts", "FeatureTable", "Fit", "ImplementationError", "Layout",
    "Length", "Limit", "Loss", "MethodParts", "MethodSpec", "Metric", "Modality", "Momentum", "Need", "NonEmpty",
    "NonNegativeFloat", "NonNegativeInt", "OperationParts", "OperationSpec", "Outcome", "PositiveFloat",
    "PositiveInt", "ProtocolSpec", "Published", "Range", "Recipe", "RecipeSpec", "ReferenceSpec", "RenamedMetric",
    "RequestError", "Role", "RowGroups", "Scalar", "Setting", "Several", "Shapes", "Share", "Source", "Span", "Spec",
    "SslbenchError", "Step", "StudySpec", "Survey", "Target", "Task", "Unavailable", "UnexpectedFormat", "Use",
    "View", "World", "hookimpl",
]  # fmt: skip
