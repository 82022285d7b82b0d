"""Mean average precision in the two forms of the PASCAL VOC challenges. Specs only; see `average_precision`."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import hookimpl
from sslbench.api.metrics import Derivation, Metric


@hookimpl
def sslbench_metrics() -> Iterable[Metric]:
    yield Metric(
        name="voc_11_point_precision",
        label="mAP, 11 points",
        low=0,
        high=1,
        derived_from=Derivation.LABELS,
        compute="sslbench_mvmr.average_precision:mean_eleven_points",
        summary="mean over labels of the interpolated precision at the recalls 0, 0.1, ..., 1",
        source="Everingham et al. 2010, section 4.2 (VOC 2007)",
    )
    yield Metric(
        name="voc_all_point_precision",
        label="mAP, all points",
        low=0,
        high=1,
        derived_from=Derivation.LABELS,
        compute="sslbench_mvmr.average_precision:mean_all_points",
        summary="mean over labels of the area under the interpolated precision",
        source="PASCAL VOC development kit 2010, section 3.4.1",
    )
