"""All that a plugin may import: values, specs, hooks, errors (no torch) and, apart, `sslbench.api.modules` (torch)."""

from sslbench.api.errors import (
    DataBroken,
    DataMissing,
    Diverged,
    RequestError,
    SslbenchError,
    Unavailable,
    UnexpectedLayout,
)
from sslbench.api.executors import Crew, Executor, ExecutorSpec
from sslbench.api.fits import Fit
from sslbench.api.hooks import hookimpl
from sslbench.api.protocols import Metric, Need, ProtocolSpec, RenamedMetric
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
    "Apply", "Arrays", "Artefact", "AugmentationSpec", "BackboneSpec", "Batch", "Card", "Citation", "Columns",
    "Crew", "DataBroken", "DataDescription", "DataMissing", "Dataset", "DatasetSpec", "Diverged", "Draws", "Event",
    "Executor", "ExecutorSpec", "Facts", "FeatureTable", "Fit", "Layout", "Loss", "MethodParts", "MethodSpec",
    "Metric", "Modality", "Need", "OperationParts", "OperationSpec", "Outcome", "ProtocolSpec", "Published",
    "Recipe", "RecipeSpec", "ReferenceSpec", "RenamedMetric", "RequestError", "Role", "RowGroups", "Scalar",
    "Setting", "Shapes", "Source", "Spec", "SslbenchError", "Step", "StudySpec", "Survey", "Target", "Task",
    "Unavailable", "UnexpectedLayout", "Use", "View", "World", "hookimpl",
]  # fmt: skip
