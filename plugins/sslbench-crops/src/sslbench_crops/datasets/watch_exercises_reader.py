"""Read recordings of a watch, and cut them into pairs and series."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataMissing, Dataset, RequestError, Source
from sslbench.api.files import find, fingerprint
from sslbench_crops.array_samples import ArraySamples
from sslbench_crops.datasets.watch_exercises import WatchExercisesConfig
from sslbench_crops.modalities import name_sensors, pair_modalities, series_modality
from sslbench_crops.windows import AXES, CHANNELS, cut_windows, split_sensors, window_starts

PER_RECORDING = ("length", "exercise", "subject", "side")
ARRAYS = ("values", *PER_RECORDING, "exercise_names")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recordings:
    """Values [instants, 6] of all recordings, one after another, and facts [n] about each recording."""

    values: NDArray[np.float32]
    length: NDArray[np.int64]
    exercise: NDArray[np.int64]
    subject: NDArray[np.int64]
    side: NDArray[np.int64]
    names: tuple[str, ...]


def open_part(config: WatchExercisesConfig, source: Source) -> Dataset:
    """Open a part; raises DataMissing without the file, RequestError for subjects that the file does not have."""
    root = find(source, ("watch_exercises",))
    path = root if root.is_file() else root / config.file
    if not path.is_file():
        raise DataMissing(f"{root} has no {config.file}")
    recordings = read_recordings(path)
    known = sorted(set(recordings.subject.tolist()))
    unknown = sorted(set(config.held_out) - set(known))
    if unknown or not set(known) - set(config.held_out):
        problem = f"held_out={list(config.held_out)}: the subjects are {', '.join(map(str, known))}"
        raise RequestError([f"{problem}. Name some of them, but not all"])
    is_held_out = np.isin(recordings.subject, config.held_out)
    side = 1 if source.part == "side-1" else 0
    chosen = np.flatnonzero((is_held_out == (source.part != "pairs")) & (recordings.side == side))
    return cut_part(config, source.part, recordings, chosen, lambda: fingerprint(path.parent, [path], source.work))


def read_recordings(path: Path) -> Recordings:
    """Read the file; raises DataBroken for another layout, other channels, or values that are not finite."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataBroken(f"{path}: is not a readable npz file ({error}). Fetch it again") from error
    if missing := [name for name in ARRAYS if name not in found]:
        raise DataBroken(f"{path}: has no array {missing[0]!r}; it has: {', '.join(found)}. Fetch it again")
    values, length = np.asarray(found["values"], np.float32), np.asarray(found["length"], np.int64)
    if values.ndim != 2 or values.shape[1] != len(CHANNELS):
        problem = f"{path}: 'values' has {values.shape[-1]} channels, not {len(CHANNELS)} ({' '.join(CHANNELS)})"
        raise DataBroken(f"{problem}. Remove the others")
    if length.sum() != len(values) or any(found[name].shape != length.shape for name in PER_RECORDING):
        raise DataBroken(
            f"{path}: the recordings have {length.sum():,} instants, and 'values' {len(values):,}. Fetch it again"
        )
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        instant, channel = wrong[0].tolist()
        recording = int(np.searchsorted(np.cumsum(length), instant, side="right"))
        problem = f"{path}: recording {recording} has {values[instant, channel]} in channel {CHANNELS[channel]!r}"
        raise DataBroken(f"{problem}. Remove the recording")
    exercise, subject, side = (np.asarray(found[name], np.int64) for name in ("exercise", "subject", "side"))
    names = tuple(str(name) for name in found["exercise_names"].tolist())
    return Recordings(values=values, length=length, exercise=exercise, subject=subject, side=side, names=names)


def cut_part(
    config: WatchExercisesConfig,
    part: str,
    recordings: Recordings,
    chosen: NDArray[np.int64],
    digest: Callable[[], str],
) -> ArraySamples:
    """Cut the chosen recordings into pairs or series; raises RequestError if series are longer than all of them."""
    is_pairs = part == "pairs"
    size = config.instants * (1 if is_pairs else config.steps)
    first = np.concatenate([[0], np.cumsum(recordings.length)])
    starts = [window_starts(recordings.length[one], size, config.stride if is_pairs else size) for one in chosen]
    owner = np.repeat(chosen, [len(own) for own in starts])
    if not len(owner):
        longest = int(recordings.length[chosen].max(initial=0)) // config.instants
        raise RequestError([f"steps={config.steps}: no recording has so many steps. Set it to {longest} or less"])
    inside = np.concatenate(starts)
    sides = split_sensors(cut_windows(recordings.values, first[owner] + inside, size), config.instants)
    width = config.instants * AXES
    names = name_sensors(config.sensors)
    if is_pairs:
        arrays = {f"step-{name}": values[:, 0] for name, values in sides.items()}
        modalities = dict(pair_modalities(width, width))
    else:
        arrays = {f"series-{name}": sides[name] for name in names}
        modalities = {key: m for name in names for key, m in series_modality(name, config.steps, width).items()}
    columns = {
        "id": np.array([f"{one}-{start}" for one, start in zip(owner.tolist(), inside.tolist(), strict=True)]),
        "recording": owner.astype(np.str_),
        "subject": recordings.subject[owner].astype(np.str_),
        "side": recordings.side[owner].astype(np.str_),
    }
    return ArraySamples(arrays, modalities, recordings.names, recordings.exercise[owner], columns, digest)
