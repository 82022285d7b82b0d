"""Compare what stages will write with the space on the disk, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.data.disk_arrays import require_space
from sslbench.stages.graph import Stage
from sslbench.stages.stage import finished


def require_space_for(stages: Iterable[Stage]) -> None:
    """Raise DiskFull where the disk of the prepared data has no room for what is still to be prepared."""
    left = [stage for stage in stages if stage.size and not finished(stage.folder)]
    if left:
        require_space(left[0].folder.parent, sum(stage.size for stage in left))
