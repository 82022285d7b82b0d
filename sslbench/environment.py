"""Everything that is looked up outside the program: paths, devices, versions, clock. Nothing else looks there."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import random
import re
import resource
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sslbench.api.errors import SslbenchError

if TYPE_CHECKING:
    import torch
    from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment

VERSIONED = ("sslbench", "torch", "numpy", "scikit-learn", "timm", "torchvision", "lightning-fabric", "pillow", "scipy")
DECODERS = ("pillow", "numpy", "tifffile", "imagecodecs")
APART = {"PYTHONSAFEPATH": "1"}
"""Makes a Python program ignore modules in its working folder, as its option -P does."""
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where data lies: prepared and downloaded under `data`, read-only copies in `sources`."""

    data: Path
    sources: tuple[Path, ...]


def places() -> Places:
    """Read $SSLBENCH_DATA (default: the user's cache folder) and $SSLBENCH_SOURCES (folders joined by ':')."""
    data = _folder("SSLBENCH_DATA", _variable("SSLBENCH_DATA")) if _variable("SSLBENCH_DATA") else _cache() / "sslbench"
    sources = _variable("SSLBENCH_SOURCES").split(os.pathsep)
    return Places(data=data, sources=tuple(_folder("SSLBENCH_SOURCES", source) for source in sources if source))


def _variable(name: str, default: str = "") -> str:
    """Return the value of an environment variable; one that is empty counts as not set."""
    return os.environ.get(name) or default


def _folder(variable: str, text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise SslbenchError(f"${variable}: {text!r} names no user's home folder. Write the path in full") from error


def _cache() -> Path:
    if cache := _variable("XDG_CACHE_HOME"):
        return _folder("XDG_CACHE_HOME", cache)
    try:
        return Path.home() / ".cache"
    except RuntimeError as error:
        raise SslbenchError(
            "$SSLBENCH_DATA: is not set, and this user has no home folder. Set it to a folder for prepared data"
        ) from error


def columns() -> int:
    """Return the width that $COLUMNS asks for; 0 where it is not a number."""
    return int(width) if (width := _variable("COLUMNS")).isdecimal() else 0


def disabled_plugins() -> tuple[str, ...]:
    """Read $SSLBENCH_DISABLE: plugins or distributions, joined by ','."""
    return tuple(name.strip() for name in _variable("SSLBENCH_DISABLE").split(",") if name.strip())


def versions(names: tuple[str, ...] = VERSIONED) -> Mapping[str, str]:
    """Versions of the libraries that can move a number."""
    return {name: version for name in names if (version := _version(name))}


@cache
def _version(name: str) -> str:
    """What is installed of a distribution, or of the distributions that hold a package of that name; '' for nothing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        holders = sorted(set(importlib.metadata.packages_distributions().get(name, ())))
        return " ".join(f"{holder} {importlib.metadata.version(holder)}" for holder in holders)


def host() -> Mapping[str, str | int]:
    """What machine this is: stored apart from the numbers, and never part of a key."""
    return {
        "node": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count() or 1,
    }


def node() -> str:
    """This machine's name."""
    return platform.node()


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes() -> int:
    """How many processes torchrun or srun has started together; 1 where neither did."""
    if _variable("TORCHELASTIC_RUN_ID"):
        return int(_variable("WORLD_SIZE", "1"))
    return int(_variable("SLURM_NTASKS", "1")) if _variable("SLURM_STEP_ID") else 1


def rank() -> int:
    """Which of them this one is."""
    return int(_variable("RANK" if _variable("TORCHELASTIC_RUN_ID") else "SLURM_PROCID", "0"))


def backend() -> str:
    """What processes talk through: nccl between GPUs, gloo between CPUs; both where there are GPUs."""
    import torch

    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def for_ranks(threads: int) -> dict[str, str]:
    """The environment of processes that share a step: each with its threads, none bound to this one's Slurm step."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "TORCHELASTIC_"))}
    return {**kept, "OMP_NUM_THREADS": str(threads), **APART}


def isolated_python() -> tuple[str, ...]:
    """Return the command of a child interpreter; it imports no module from the working folder, such as a `random.py`."""
    return (sys.executable, "-P")


def keep_children_apart() -> None:
    """Let every Python program that this process starts, also through libraries, ignore modules in the working folder."""
    os.environ.update(APART)


def cluster(processes: int) -> ClusterEnvironment:
    """How the processes that share a step find each other: as torchrun says, or as Slurm does.

    One process alone is told so: Fabric would look for Slurm by itself, and warn on every machine that has it.
    """
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if processes == 1:
        return LightningEnvironment()
    return TorchElasticEnvironment() if _variable("TORCHELASTIC_RUN_ID") else SLURMEnvironment(auto_requeue=False)


def let_waiting_threads_sleep() -> None:
    """Tell OpenMP, before torch loads it, not to spin: two programs on the same cores would starve each other.

    A choice that the user made stays.
    """
    os.environ["OMP_WAIT_POLICY"] = _variable("OMP_WAIT_POLICY", "PASSIVE")


def gpu_names() -> tuple[str, ...]:
    """The GPUs that this process may use, as $CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = tuple(name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name)
    return named or tuple(map(str, range(torch.cuda.device_count())))


def gpus() -> int:
    """How many GPUs this process may use."""
    if not has_gpu_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


GPU_NODES = ("nvidia*", "nvhost*", "nvmap", "kfd", "dxg")
"""What Linux shows under /dev where a driver of GPUs is loaded, those of boards and of Windows' subsystem included."""


def has_gpu_driver() -> bool:
    """Whether torch could find a GPU. It is asked only then: importing it takes seconds, which a plan does not need."""
    return sys.platform != "linux" or any(any(Path("/dev").glob(name)) for name in GPU_NODES)


def device_kind() -> str:
    """The kind of device that numbers depend on: a GPU's name, or 'cpu'."""
    if not has_gpu_driver():
        return "cpu"
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"


def best_precision() -> Precision:
    """bfloat16 where the hardware gains by it, else float32."""
    if not has_gpu_driver():
        return cpu_precision()
    import torch

    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return cpu_precision()


def cpu_precision() -> Precision:
    """The same of products on the processor, whatever else is here."""
    fast = Path("/proc/cpuinfo")
    flags = fast.read_text() if fast.exists() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process as other processes know it: `machine` changes with every boot and every container."""

    machine: str
    node: str
    pid: int
    started: str


def this_process() -> Process:
    """Who we are."""
    pid = os.getpid()
    return Process(machine=_machine(), node=platform.node(), pid=pid, started=_started(pid))


def gone(process: Process) -> bool:
    """Whether a process of this machine has ended; of other machines nothing is known."""
    return process.machine == _machine() and _started(process.pid) != process.started


def _machine() -> str:
    """This boot of this machine, and the space its process numbers belong to."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return f"{boot.read_text().strip()}/{space.readlink()}" if boot.exists() else f"{platform.node()}"


def _started(pid: int) -> str:
    """When a process began, in the kernel's own count; empty when there is none, or it has ended and nobody waits."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc").exists() else "unknown"
    return "" if fields[0] in "ZX" else fields[19]


def now() -> float:
    """Seconds since the epoch."""
    return time.time()


def today() -> str:
    """The calendar's day, as 2026-11-27."""
    return time.strftime("%Y-%m-%d")


def stopwatch() -> float:
    """Seconds of a clock that only goes forward."""
    return time.perf_counter()


def busy_stopwatch() -> tuple[float, float]:
    """Seconds of a clock that only goes forward, and processor seconds of this process, where they say what work takes.

    Beside a GPU they do not: both are the clock then.
    """
    now = time.perf_counter()
    return (now, now) if has_gpu_driver() else (now, time.process_time())


def forget_peak_memory() -> None:
    """Begin to look for the peak anew, where the system can: a worker makes many stages."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Bytes that this process has held at most since that was forgotten, or since it began."""
    status = Path("/proc/self/status")
    told = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return (int(told[1]) if told else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def free_memory() -> int | None:
    """Bytes of memory that programs can still get; None where the system does not say."""
    known = Path("/proc/meminfo")
    told = re.search(r"MemAvailable:\s*(\d+) kB", known.read_text()) if known.exists() else None
    return int(told[1]) * 1024 if told else None


def free_disk(path: Path) -> int:
    """Bytes free where a path is, or will be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def seed_from(*parts: object) -> int:
    """A 63-bit seed from anything printable: equal parts, equal seed, on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_everything(*parts: object) -> None:
    """Seed the generators that libraries reach for by themselves."""
    import numpy as np
    import torch

    seed = seed_from(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries read this one
    torch.manual_seed(seed)


def generator_state() -> Mapping[str, torch.Tensor]:
    """The state of torch's own generators, for a checkpoint."""
    import torch

    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_generator_state(state: Mapping[str, torch.Tensor]) -> None:
    """Put torch's own generators back."""
    import torch

    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
