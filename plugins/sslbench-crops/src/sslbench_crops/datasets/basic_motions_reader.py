"""Read BasicMotions in the archive's text format, and cut its series into steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataMissing, Dataset, RequestError, Source
from sslbench.api.files import find, fingerprint
from sslbench_crops.array_samples import ArraySamples
from sslbench_crops.datasets.basic_motions import BasicMotionsConfig
from sslbench_crops.modalities import name_sensors, pair_modalities, series_modality
from sslbench_crops.windows import AXES, CHANNELS, cut_windows, split_sensors, window_starts

FILES = {"train": "BasicMotions_TRAIN.ts", "test": "BasicMotions_TEST.ts"}


def open_part(config: BasicMotionsConfig, source: Source) -> Dataset:
    """Open a part; raises DataMissing without one of the files, DataBroken for lines in another format."""
    root = find(source, ("basic_motions", "BasicMotions"))
    paths = {split: root / name for split, name in FILES.items()}
    if missing := [path.name for path in paths.values() if not path.is_file()]:
        raise DataMissing(f"{root} has no {missing[0]}")
    values, classes, splits = [], [], []
    for split, path in paths.items():
        series, own = read_series(path)
        values.append(series)
        classes += own
        splits += [split] * len(own)
    names = tuple(sorted(set(classes)))
    labels = np.array([names.index(name) for name in classes], np.int64)
    if len({series.shape[1] for series in values}) > 1:
        raise DataBroken(f"{root}: the series of both files have different lengths. Fetch them again")
    part = cut_series(config, source.part, np.concatenate(values))
    row = part["recording"]
    columns = {
        "id": np.array([f"{one}-{start}" for one, start in zip(row.tolist(), part["start"].tolist(), strict=True)]),
        "recording": row.astype(np.str_),
        "split": np.array(splits)[row],
    }
    steps, width = values[0].shape[1] // config.instants, config.instants * AXES
    if source.part == "pairs":
        modalities = dict(pair_modalities(width, width))
    else:
        chosen = name_sensors(config.sensors)
        modalities = {key: m for name in chosen for key, m in series_modality(name, steps, width).items()}
    arrays = {name: part[name] for name in modalities}
    return ArraySamples(
        arrays, modalities, names, labels[row], columns, lambda: fingerprint(root, [*paths.values()], source.work)
    )


def cut_series(config: BasicMotionsConfig, part: str, values: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return steps by modality, and the series ('recording') and first instant ('start') of each, from values [n, T, 6].

    Instants at the end that do not fill a step are left out.
    """
    count, instants, channels = values.shape
    if instants < config.instants:
        raise RequestError([f"instants={config.instants}: the series have {instants} instants. Lower it"])
    is_series = part != "pairs"
    size = instants // config.instants * config.instants if is_series else config.instants
    starts = window_starts(instants, size, instants if is_series else config.stride)
    row, start = np.repeat(np.arange(count), len(starts)), np.tile(starts, count)
    sides = split_sensors(cut_windows(values.reshape(-1, channels), row * instants + start, size), config.instants)
    steps = {
        f"series-{name}" if is_series else f"step-{name}": x if is_series else x[:, 0] for name, x in sides.items()
    }
    return {**steps, "recording": row, "start": start}


def read_series(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    """Read series [n, T, 6] and their classes; raises DataBroken, with the line, for what is not in the format."""
    lines = path.read_text().splitlines()
    first = next((number for number, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if first is None:
        raise DataBroken(f"{path}: has no line @data. Fetch it again")
    series, classes = [], []
    for number, line in enumerate(lines[first + 1 :], first + 2):
        if not line.strip():
            continue
        *dimensions, name = line.split(":")
        if len(dimensions) != len(CHANNELS):
            problem = f"{path}, line {number}: has {len(dimensions)} dimensions, not {len(CHANNELS)}"
            raise DataBroken(f"{problem} ({' '.join(CHANNELS)}). Fetch it again")
        try:
            own = np.array([dimension.split(",") for dimension in dimensions], np.float32).T
        except ValueError as error:
            raise DataBroken(f"{path}, line {number}: is not a table of numbers ({error}). Fetch it again") from error
        if not np.isfinite(own).all():
            raise DataBroken(f"{path}, line {number}: has a value that is not finite. Remove the line")
        series.append(own)
        classes.append(name.strip())
    if not series or len({own.shape for own in series}) > 1:
        raise DataBroken(f"{path}: has {len(series)} series, which must be of one length. Fetch it again")
    return np.stack(series), classes
