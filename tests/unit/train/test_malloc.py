"""The C library's heap during a training: large memory is fetched once, and given back at the end."""

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sslbench.train.malloc import retain_freed_memory

resource = pytest.importorskip("resource", reason="POSIX counts page faults")
HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"):
    pytest.skip("glibc's heap alone has these settings", allow_module_level=True)
if HUGE.is_file() and "[always]" in HUGE.read_text():
    pytest.skip("pages are huge here, so few are fetched", allow_module_level=True)

LARGE = 2**24
"""Numbers of a tensor of 64 MB, 16,384 pages."""


def faults() -> int:
    """Pages that ten large tensors one after another had to fetch."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(LARGE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_large_tensors_are_fetched_once_while_a_heap_is_kept():
    before = faults()
    with retain_freed_memory():
        faults()  # the heap grows
        kept = faults()
    assert kept < 2_000 < 100_000 < before
    assert faults() > 10_000


@pytest.mark.parametrize(("setting", "calls"), [("MALLOC_TRIM_THRESHOLD_", 0), ("MALLOWED", 6)])
def test_settings_of_a_user_are_left_alone(monkeypatch, setting, calls):
    asked = []
    library = SimpleNamespace(mallopt=lambda *to: asked.append(to), malloc_trim=lambda *to: asked.append(to))
    monkeypatch.setattr("sslbench.train.malloc.ctypes.CDLL", lambda name: library)
    monkeypatch.setenv(setting, "100000")
    with retain_freed_memory():
        pass
    assert len(asked) == calls


def test_a_heap_is_let_go_after_an_error_too():
    with pytest.raises(RuntimeError, match="must match"), retain_freed_memory():
        torch.ones(LARGE) + torch.ones(3)
    assert faults() > 10_000
