"""Check before a run that the disk has space for the output of its stages."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.data.disk_arrays import require_space
from sslbench.stages.graph import Stage
from sslbench.stages.stage import is_finished


def require_space_for(stages: Iterable[Stage]) -> None:
    """Raise DiskFull if the disk of the prepared data has no space for the data that is not prepared yet."""
    unfinished = [stage for stage in stages if stage.size and not is_finished(stage.folder)]
    if unfinished:
        require_space(unfinished[0].folder.parent, sum(stage.size for stage in unfinished))
