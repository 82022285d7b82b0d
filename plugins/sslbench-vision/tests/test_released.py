"""Released collections in their published files: idx, pickled and binary batches, and the scans that a dependency ships."""

from __future__ import annotations

import gzip
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sslbench_vision.datasets.cifar10 import RELEASE as CIFAR10
from sslbench_vision.datasets.cifar100 import RELEASE as CIFAR100
from sslbench_vision.datasets.cifar_reader import open_release, read_binary, read_python, to_gray
from sslbench_vision.datasets.cifar_release import CifarConfig
from sslbench_vision.datasets.imagenet100 import CLASS_LIST, DIGEST, ImageNet100Config
from sslbench_vision.datasets.imagenet100_reader import digest_class_list, open_tree
from sslbench_vision.datasets.strokes import slant, thickness

from sslbench.api.errors import DataBroken, DataMissing, RequestError
from sslbench.api.specs import Source


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


@pytest.mark.parametrize("release", [CIFAR10, CIFAR100], ids=lambda release: release.name)
def test_cifar_in_both_layouts(release, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60_000, 3072), dtype=np.uint8)
    labels = rng.integers(0, len(release.names), 60_000)
    other = rng.integers(0, 20, (60_000, release.label_bytes - 1), dtype=np.uint8)  # coarse labels, which are not read
    binary, python, start = tmp_path / "bin", tmp_path / "py", 0
    binary.mkdir()
    python.mkdir()
    for raw, pickled, count in zip(release.binary_files, release.python_files, release.records, strict=True):
        rows = slice(start, start + count)
        start += count
        records = np.concatenate([other[rows], labels[rows, None].astype(np.uint8), pixels[rows]], axis=1)
        (binary / raw).write_bytes(records.tobytes())
        batch = {b"data": pixels[rows], release.label_key: labels[rows].tolist(), b"batch_label": b"x"}
        (python / pickled).write_bytes(pickle.dumps(batch, protocol=2))
    for read, folder in ((read_binary, binary), (read_python, python)):
        stored, codes = read(folder, release)
        assert (stored.reshape(60_000, -1) == pixels).all()
        assert (codes == labels).all()
    opened = open_release(
        CifarConfig(root=python, channels="gray"), Source(root=python, folders=(), work=tmp_path), release
    )
    assert opened.modalities["image"].shape == (1, 32, 32)
    assert (opened.columns["split"] == "test").sum() == 10_000
    last = binary / release.binary_files[-1]
    last.write_bytes(b"short")
    with pytest.raises(DataBroken, match="has 5 bytes, not 10,000 records"):
        read_binary(binary, release)
    last.unlink()
    with pytest.raises(DataMissing, match=rf"no {last.name}"):
        read_binary(binary, release)
    (python / release.python_files[-1]).write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(
        DataBroken, match=rf"{release.python_files[-1]}: is not the released file, as it contains posix\.system"
    ):
        read_python(python, release)


def test_gray_is_pillows():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3, 32, 32), dtype=np.uint8)
    theirs = [np.asarray(Image.fromarray(np.moveaxis(p, 0, -1)).convert("L")) for p in pixels]
    assert (
        np.abs(to_gray(pixels)[:, 0].astype(int) - np.stack(theirs)).max() <= 1
    )  # Pillow's weights are of sixteen bits


def bar(lean: float, width: float) -> np.ndarray:
    """A stroke of ink 40 px tall on 64 px, drawn eight times finer."""
    ticks = (np.arange(512) + 0.5) / 8 - 32
    down, right = np.meshgrid(ticks, ticks, indexing="ij")
    turned = np.radians(lean)
    along, across = -down * np.cos(turned) + right * np.sin(turned), right * np.cos(turned) + down * np.sin(turned)
    inside = (np.abs(along) < 20) & (np.abs(across) < width / 2)
    return inside.reshape(64, 8, 64, 8).mean((1, 3))


def test_strokes_are_measured():
    leans, widths = (-30.0, 0.0, 20.0, 40.0), (2.0, 4.0, 6.0)
    ink = np.stack([bar(lean, width) for lean in leans for width in widths])
    assert slant(ink) == pytest.approx(np.repeat(leans, len(widths)), abs=1.5)
    ends = [width * 40 / (width + 40) for width in widths]  # twice the area over the edges, the two ends among them
    assert thickness(ink) == pytest.approx(np.tile(ends, len(leans)), rel=0.1)
    assert slant(np.zeros((1, 8, 8))) == thickness(np.zeros((1, 8, 8))) == 0


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


def test_imagenet_100_is_a_published_list_of_classes(tmp_path):
    names = CLASS_LIST.split()
    assert len(set(names)) == 100
    assert digest_class_list(names) == DIGEST
    for part, count in (("train", 2), ("val", 1)):
        for name in (*names, "n00000001"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for place in range(count):
                Image.new("RGB", (9, 7), (place, 20, 30)).save(folder / f"{place}.JPEG")
    source = Source(root=tmp_path, folders=(), work=tmp_path / "work")
    opened = open_tree(ImageNet100Config(), source)
    assert opened.target.names == tuple(sorted(names))
    assert (len(opened.labels), (opened.columns["split"] == "test").sum()) == (300, 100)
    assert DIGEST in opened.account[0]["class list"]
    (tmp_path / "test").mkdir()
    (tmp_path / "solution.csv").touch()
    (tmp_path / "val" / ".hidden.JPEG").touch()
    skipped = open_tree(ImageNet100Config(), source).describe().facts["skipped"]
    assert "not in train or val (solution.csv, test/" in skipped
    assert "1 hidden or system file (val/.hidden.JPEG)" in skipped
    shutil.rmtree(tmp_path / "train" / names[7])
    shutil.rmtree(tmp_path / "val" / names[7])
    with pytest.raises(RequestError, match=f"classes: 1 without any image, such as '{names[7]}'; did you mean "):
        open_tree(ImageNet100Config(), source)
