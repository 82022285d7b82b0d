"""Draw SYNTHETIC shapes from numeric factors, of which one differs between two classes. Pure NumPy."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Modality, Source, Target
from sslbench_vision.datasets.factor_shapes import FACTORS, FactorShapesConfig

Values = NDArray[np.float64]
BACKGROUND, LUMINANCE, CHROMA, CHECKS, NOISE, ASPECT = 0.25, 0.55, 0.03, 1.6, 0.03, 1.5
CLASSES: Mapping[str, tuple[str, str]] = {
    "hue": ("reddish", "bluish-green"), "orientation": ("lying", "standing"), "scale": ("small", "large"),
    "texture": ("plain", "checked"), "shape": ("whole", "ring"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Factors of one shape.

    Angles of its hue (of equal luminance) and its long axis, the root of its area as a fraction of half the image's side, the
    contrast of its checks, the radius of its hole as a fraction of its own, and its position.
    """

    hue: float
    orientation: float
    scale: float
    texture: float
    shape: float
    right: float
    down: float


def draw_factors(part: str, label: int, rng: np.random.Generator) -> Factors:
    """Draw the factors of one sample: that of the part around one of two values, all others from their full range.

    The two distributions overlap a little: the accuracy of a trivial pair would not decrease if information is removed.
    """
    class_factors = {
        "hue": rng.normal(label * math.pi, 1.0),
        "orientation": rng.normal(label * math.pi / 2, 0.45),
        "scale": rng.normal((0.74, 0.92)[label], 0.045),
        "texture": rng.normal((0.08, 0.32)[label], 0.06),
        "shape": np.clip(rng.normal((0.12, 0.44)[label], 0.08), 0, 1),
    }
    full_range = {
        "hue": rng.uniform(0, 2 * math.pi),
        "orientation": rng.uniform(0, math.pi),
        "scale": rng.uniform(0.65, 0.99),
        "texture": rng.uniform(0.0, 0.4),
        "shape": rng.uniform(0.0, 0.55),
    }
    right, down = rng.uniform(-0.1, 0.1, 2)
    return Factors(
        **{name: float((class_factors if name == part else full_range)[name]) for name in FACTORS},
        right=right,
        down=down,
    )


def draw_image(factors: Factors, side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw [3, side, side]: a checkered ellipse or ring on gray, with the same luminance in any hue (Rec. 601)."""
    ticks = (np.arange(2 * side) + 0.5) / side - 1
    down, right = np.meshgrid(ticks - factors.down, ticks - factors.right, indexing="ij")
    along = right * math.cos(factors.orientation) + down * math.sin(factors.orientation)
    across = down * math.cos(factors.orientation) - right * math.sin(factors.orientation)
    long, short = half_axes(factors.scale, factors.shape)
    reach = np.hypot(along / long, across / short)
    inside = (factors.shape <= reach) & (reach <= 1)
    pitch = 2 * math.pi * CHECKS / factors.scale
    checks = factors.texture * np.sin(pitch * along) * np.sin(pitch * across)
    luminance = np.where(inside, LUMINANCE + checks, BACKGROUND)
    red, blue = CHROMA * math.cos(factors.hue) * inside, CHROMA * math.sin(factors.hue) * inside
    color = np.stack([luminance + 1.402 * red, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.772 * blue])
    smooth = color.reshape(3, side, 2, side, 2).mean((2, 4)) + rng.normal(0, NOISE, (3, side, side))
    pixels: NDArray[np.uint8] = np.round(np.clip(smooth, 0, 1) * 255).astype(np.uint8)
    return pixels


def half_axes(scale: float, hole: float) -> tuple[float, float]:
    """Return the half axes a = ASPECT b of an ellipse whose area without its hole, pi a b (1 - hole^2), is scale^2."""
    short = scale / math.sqrt(math.pi * ASPECT * (1 - hole**2))
    return ASPECT * short, short


class FactorShapes:
    """Pair of classes of one factor; a sample depends on seed, part and row only."""

    def __init__(self, config: FactorShapesConfig, part: str) -> None:
        self.config, self.part = config, part
        rows = config.samples // len(FACTORS)
        self.labels: NDArray[np.int64] = np.arange(rows) % 2
        self.target = Target(kind="class", names=CLASSES[part])
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.array([f"{part}-{row:05d}" for row in range(rows)])}
        self.modalities: Mapping[str, Modality] = {
            "image": Modality(layout="image", shape=(3, config.side, config.side))
        }

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Draw one image."""
        own = np.random.default_rng([self.config.seed, FACTORS.index(self.part), row])
        return {"image": draw_image(draw_factors(self.part, int(self.labels[row]), own), self.config.side, own)}

    def fingerprint(self) -> str:
        """Return a digest of part and settings; the version of the dataset covers the drawing."""
        return hashlib.blake2b(f"{self.part} {asdict(self.config)}".encode(), digest_size=16).hexdigest()


def open_part(config: FactorShapesConfig, source: Source) -> FactorShapes:
    """Return the pair of classes of the requested part."""
    return FactorShapes(config, source.part)
