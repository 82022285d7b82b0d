"""Released collections in their published files: idx, pickled and binary batches, and the scans that a dependency ships."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sslbench_vision.datasets.cifar10 import grey, read_binary, read_python

from sslbench.api.errors import DataBroken, DataMissing


def test_mnist_from_its_files(shared, cli, tmp_path):
    where = cli("data", "where", "mnist", f"data.root={shared / 'mnist'}")
    assert where.stdout.startswith("mnist: 70,000 samples")
    for file in (shared / "mnist").glob("*.gz"):
        shutil.copy(file, tmp_path / file.name)
    name = "t10k-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress((tmp_path / name).read_bytes()))
    content[-1] ^= 1
    (tmp_path / name).write_bytes(gzip.compress(bytes(content)))
    broken = cli("data", "where", "mnist", f"data.root={tmp_path}")
    assert broken.returncode == 3
    assert "is not the released file (its MD5 differs)" in broken.stderr


def test_cifar10_in_both_layouts(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60_000, 3072), dtype=np.uint8)
    labels = rng.integers(0, 10, 60_000)
    binary, python = tmp_path / "bin", tmp_path / "py"
    binary.mkdir()
    python.mkdir()
    import pickle

    for place, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        rows = slice(place * 10_000, (place + 1) * 10_000)
        records = np.concatenate([labels[rows, None].astype(np.uint8), pixels[rows]], axis=1)
        (binary / f"{name}.bin").write_bytes(records.tobytes())
        batch = {b"data": pixels[rows], b"labels": labels[rows].tolist(), b"batch_label": b"x"}
        (python / name).write_bytes(pickle.dumps(batch, protocol=2))
    for read, folder in ((read_binary, binary), (read_python, python)):
        pictures, codes = read(folder)
        assert (pictures.reshape(60_000, -1) == pixels).all()
        assert (codes == labels).all()
    turned = grey(pixels[:50].reshape(-1, 3, 32, 32))
    theirs = [
        np.asarray(Image.fromarray(np.moveaxis(p, 0, -1)).convert("L")) for p in pixels[:50].reshape(-1, 3, 32, 32)
    ]
    assert np.abs(turned[:, 0].astype(int) - np.stack(theirs)).max() <= 1  # Pillow's weights are of sixteen bits
    (binary / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(DataBroken, match="holds 5 bytes, not 10,000 records"):
        read_binary(binary)
    (binary / "test_batch.bin").unlink()
    with pytest.raises(DataMissing, match=r"no test_batch\.bin"):
        read_binary(binary)
    (python / "test_batch").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataBroken, match=r"names posix\.system"):
        read_python(python)


def test_digits_are_the_scans_of_scikit_learn(cli, tmp_path):
    out = cli("data", "prepare", "digits", env={"SSLBENCH_DATA": str(tmp_path)}).stdout
    folder = Path(out.strip().rsplit(", in ", 1)[1])
    stored = np.load(folder / "image.npy")[:, 0]
    assert (np.round(stored / 255 * 16) == load_digits().images).all()


def test_full_cifar10_from_the_official_layout(shared, tmp_path, cli):
    made = subprocess.run(
        [sys.executable, str(shared / "get_cifar10.py"), str(tmp_path)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("CIFAR-10 cannot be rebuilt here: " + made.stderr.decode()[-200:])
    where = cli("data", "where", "cifar10", env={"SSLBENCH_SOURCES": str(tmp_path)})
    assert where.stdout.startswith("cifar10: 60,000 samples"), where.stderr
