"""Read the environment: paths, devices, versions, clock. No other module does."""

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
ISOLATION = {"PYTHONSAFEPATH": "1"}
"""Variable that makes Python ignore modules in the working folder, as its option -P does."""
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders of data: prepared and downloaded data in `data`, read-only copies in `sources`."""

    data: Path
    sources: tuple[Path, ...]


def places() -> Places:
    """Return $SSLBENCH_DATA (default: the user's cache folder) and $SSLBENCH_SOURCES (folders joined by ':')."""
    data = _folder("SSLBENCH_DATA", _variable("SSLBENCH_DATA")) if _variable("SSLBENCH_DATA") else _cache() / "sslbench"
    sources = _variable("SSLBENCH_SOURCES").split(os.pathsep)
    return Places(data=data, sources=tuple(_folder("SSLBENCH_SOURCES", source) for source in sources if source))


def _variable(name: str, default: str = "") -> str:
    """Return an environment variable; an empty one counts as not set."""
    return os.environ.get(name) or default


def _folder(variable: str, text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise SslbenchError(f"${variable}={text}: is in no known user's home folder. Write the path in full") from error


def _cache() -> Path:
    if cache := _variable("XDG_CACHE_HOME"):
        return _folder("XDG_CACHE_HOME", cache)
    try:
        return Path.home() / ".cache"
    except RuntimeError as error:
        raise SslbenchError(
            "$SSLBENCH_DATA: is not set, and this user has no home folder. Set it to a folder for prepared data"
        ) from error


def terminal_width() -> int:
    """Return the width in $COLUMNS; 0 if it is not a number."""
    return int(width) if (width := _variable("COLUMNS")).isdecimal() else 0


def disabled_plugins() -> tuple[str, ...]:
    """Return the plugins and distributions in $SSLBENCH_DISABLE, joined by ','."""
    return tuple(name.strip() for name in _variable("SSLBENCH_DISABLE").split(",") if name.strip())


def versions(names: tuple[str, ...] = VERSIONED) -> Mapping[str, str]:
    """Return the versions of the libraries that can change a number."""
    return {name: version for name in names if (version := _version(name))}


@cache
def _version(name: str) -> str:
    """Return the version of a distribution, or of those that contain a package of that name; '' if there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        distributions = sorted(set(importlib.metadata.packages_distributions().get(name, ())))
        return " ".join(f"{one} {importlib.metadata.version(one)}" for one in distributions)


def describe_host() -> Mapping[str, str | int]:
    """Return facts about this machine; they are stored apart from the numbers, and are never part of a key."""
    return {
        "node": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count() or 1,
    }


def host_name() -> str:
    """Return the name of this machine."""
    return platform.node()


def count_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_count() -> int:
    """Return the number of processes that torchrun or srun started together; 1 without them."""
    if _variable("TORCHELASTIC_RUN_ID"):
        return int(_variable("WORLD_SIZE", "1"))
    return int(_variable("SLURM_NTASKS", "1")) if _variable("SLURM_STEP_ID") else 1


def process_rank() -> int:
    """Return the rank of this process among those that torchrun or srun started."""
    return int(_variable("RANK" if _variable("TORCHELASTIC_RUN_ID") else "SLURM_PROCID", "0"))


def distributed_backend() -> str:
    """Return the backend of torch.distributed: gloo for CPUs, and also nccl where there are GPUs."""
    import torch

    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def worker_environment(threads: int) -> dict[str, str]:
    """Return the environment of processes that share a step: with `threads` each, and without this Slurm step."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "TORCHELASTIC_"))}
    return {**kept, "OMP_NUM_THREADS": str(threads), **ISOLATION}


def isolated_python() -> tuple[str, ...]:
    """Return the command of a child interpreter; it imports no module from the working folder, such as a `random.py`."""
    return (sys.executable, "-P")


def isolate_children() -> None:
    """Make all Python programs that this process starts ignore modules in the working folder."""
    os.environ.update(ISOLATION)


def cluster_environment(processes: int) -> ClusterEnvironment:
    """Return how the processes that share a step find each other: through torchrun or Slurm.

    A single process gets its own environment, since Fabric would look for Slurm and warn on machines that have it.
    """
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if processes == 1:
        return LightningEnvironment()
    return TorchElasticEnvironment() if _variable("TORCHELASTIC_RUN_ID") else SLURMEnvironment(auto_requeue=False)


def let_waiting_threads_sleep() -> None:
    """Set OpenMP's wait policy to passive, before torch loads it, unless the user has set one.

    Spinning threads of two programs on the same cores would slow down both.
    """
    os.environ["OMP_WAIT_POLICY"] = _variable("OMP_WAIT_POLICY", "PASSIVE")


def gpu_names() -> tuple[str, ...]:
    """Return the names of the GPUs that this process may use, as in $CUDA_VISIBLE_DEVICES."""
    import torch

    named = tuple(name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name)
    return named or tuple(map(str, range(torch.cuda.device_count())))


def count_gpus() -> int:
    """Return the number of GPUs that this process may use."""
    if not has_gpu_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


GPU_NODES = ("nvidia*", "nvhost*", "nvmap", "kfd", "dxg")
"""Names in /dev where a GPU driver is loaded, including those of embedded boards and the Windows subsystem."""


def has_gpu_driver() -> bool:
    """Return whether torch could find a GPU; without a driver, torch need not be imported, which takes seconds."""
    return sys.platform != "linux" or any(any(Path("/dev").glob(name)) for name in GPU_NODES)


def device_kind() -> str:
    """Return the kind of device that numbers depend on: the name of the GPU, or 'cpu'."""
    if not has_gpu_driver():
        return "cpu"
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"


def best_precision() -> Precision:
    """Return bfloat16 where the hardware computes it faster, else float32."""
    if not has_gpu_driver():
        return cpu_precision()
    import torch

    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return cpu_precision()


def cpu_precision() -> Precision:
    """Return bfloat16 where the CPU computes it faster, else float32; ignores GPUs."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Identity of a process; `machine` differs for every boot and every container."""

    machine: str
    node: str
    pid: int
    started: str


def this_process() -> Process:
    """Return the identity of this process."""
    pid = os.getpid()
    return Process(machine=_machine_id(), node=platform.node(), pid=pid, started=_start_time(pid))


def has_ended(process: Process) -> bool:
    """Return whether a process of this machine has ended; False for other machines."""
    return process.machine == _machine_id() and _start_time(process.pid) != process.started


def _machine_id() -> str:
    """Return an identifier of this boot of the machine and of the namespace of process numbers."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return f"{boot.read_text().strip()}/{space.readlink()}" if boot.exists() else f"{platform.node()}"


def _start_time(pid: int) -> str:
    """Return when a process started, in clock ticks of the kernel; '' if it does not exist or has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc").exists() else "unknown"
    return "" if fields[0] in "ZX" else fields[19]


def now() -> float:
    """Return the seconds since 1970."""
    return time.time()


def today() -> str:
    """Return the date, such as 2026-11-27."""
    return time.strftime("%Y-%m-%d")


def stopwatch() -> float:
    """Return the seconds of a monotonic clock."""
    return time.perf_counter()


def busy_stopwatch() -> tuple[float, float]:
    """Return the seconds of a monotonic clock, and the CPU seconds of this process.

    On a machine with a GPU, where CPU seconds do not measure the work, both are those of the clock.
    """
    now = time.perf_counter()
    return (now, now) if has_gpu_driver() else (now, time.process_time())


def reset_peak_memory() -> None:
    """Reset the peak memory of this process, where the system supports it; a worker makes many stages."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Return the peak memory of this process in bytes, since it was reset or since the process started."""
    status = Path("/proc/self/status")
    match = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return (int(match[1]) if match else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def free_memory() -> int | None:
    """Return the bytes of available memory; None where the system does not report it."""
    info = Path("/proc/meminfo")
    match = re.search(r"MemAvailable:\s*(\d+) kB", info.read_text()) if info.exists() else None
    return int(match[1]) * 1024 if match else None


def free_disk(path: Path) -> int:
    """Return the free bytes on the disk where a path is or will be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def seed_from(*parts: object) -> int:
    """Return a 63-bit seed from printable values; equal values give equal seeds on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_everything(*parts: object) -> None:
    """Seed the global random generators of Python, NumPy and torch."""
    import numpy as np
    import torch

    seed = seed_from(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries use the global generator
    torch.manual_seed(seed)


def generator_state() -> Mapping[str, torch.Tensor]:
    """Return the state of torch's global generators, for a checkpoint."""
    import torch

    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_generator_state(state: Mapping[str, torch.Tensor]) -> None:
    """Restore the state of torch's global generators."""
    import torch

    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
