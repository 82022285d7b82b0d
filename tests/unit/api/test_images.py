"""Image files of every depth, orientation, page and channel are decoded alike by all readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from sslbench.api.errors import DataBroken
from sslbench.api.image_options import ImageOptions
from sslbench.api.image_set import ImageSet
from sslbench.api.images import convert_to_gray, decode_image, read_header, scale_to_bytes

PHOTO = load_sample_images().images[0][:60, :90]


def image_set(folder: Path, **options) -> ImageSet:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return ImageSet(folder, files, folder / "remember", ImageOptions(**options))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_exif_orientation_is_applied_once(tmp_path, orientation, ending, channels):
    mark = Image.Exif()
    mark[0x0112] = orientation
    path = tmp_path / f"marked.{ending}"
    photo = Image.fromarray(PHOTO).convert("L" if channels == 1 else "RGB")
    photo.save(path, exif=mark)
    photo.getexif()[0x0112] = orientation
    turned = np.asarray(ImageOps.exif_transpose(photo))
    upright = turned[None] if channels == 1 else np.moveaxis(turned, -1, 0)
    assert np.abs(decode_image(path).astype(int) - upright).mean() < (8 if ending == "jpg" else 0.01)
    header = read_header(path)
    assert (header.height, header.width) == upright.shape[1:]
    assert header.rotated == (orientation != 1)


def test_a_tiff_that_pillow_cannot_read_is_turned_upright_too(tmp_path):
    values = np.arange(5 * 4 * 6, dtype=np.uint8).reshape(5, 4, 6)
    tifffile.imwrite(
        tmp_path / "five.tif", values, photometric="minisblack", planarconfig="separate",
        extratags=[(274, "H", 1, 3, True)],
    )  # fmt: skip
    assert (decode_image(tmp_path / "five.tif") == values[:, ::-1, ::-1]).all()
    tifffile.imwrite(tmp_path / "tall.tif", values, photometric="minisblack", planarconfig="separate",
                     extratags=[(274, "H", 1, 6, True)])  # fmt: skip
    header = read_header(tmp_path / "tall.tif")
    assert (header.height, header.width) == decode_image(tmp_path / "tall.tif").shape[1:] == (6, 4)
    assert header.rotated


def test_signed_values_keep_their_sign_and_complex_ones_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "signed.tif", np.array([[-5, 7]], np.int8))
    assert decode_image(tmp_path / "signed.tif").tolist() == [[[-5, 7]]]
    tifffile.imwrite(tmp_path / "complex.tif", np.array([[1 + 2j]], np.complex64))
    assert read_header(tmp_path / "complex.tif").problem == "holds values of type complex64"


@pytest.mark.parametrize(
    ("values", "layout"),
    [
        (np.arange(24, dtype=np.uint16).reshape(4, 6) * 900, {}),
        (np.arange(72, dtype=np.uint16).reshape(4, 6, 3) * 900, {"photometric": "rgb"}),
        (np.arange(24, dtype=np.uint32).reshape(4, 6) * 170_000_000, {}),
        (np.linspace(-1, 1, 24, dtype=np.float64).reshape(4, 6), {}),
        (np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6), {}),
        (np.arange(120, dtype=np.uint8).reshape(4, 6, 5), {"photometric": "minisblack", "planarconfig": "contig"}),
    ],
    ids=["gray16", "color16", "uint32", "float64", "float32", "five channels"],
)
def test_values_of_tiff_files_are_decoded_in_their_own_type(tmp_path, values, layout):
    tifffile.imwrite(tmp_path / "image.tif", values, **layout)
    decoded = decode_image(tmp_path / "image.tif")
    assert decoded.dtype == values.dtype
    assert (decoded == (values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0))).all()
    header = read_header(tmp_path / "image.tif")
    assert (header.channels, header.dtype) == (len(decoded), decoded.dtype.name)


def test_transparency_is_shown_on_white(tmp_path):
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "color.png")
    Image.new("LA", (2, 2), (10, 0)).save(tmp_path / "gray.png")
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.save(tmp_path / "palette.png", transparency=1)
    for name, channels in (("color.png", 3), ("gray.png", 1), ("palette.png", 3)):
        decoded = decode_image(tmp_path / name)
        assert (decoded.shape, decoded.min()) == ((channels, 2, 2), 255)


def test_pages_are_chosen_joined_or_projected(tmp_path):
    pages = [np.full((4, 6), value, np.uint8) for value in (10, 20, 60)]
    first, *others = map(Image.fromarray, pages)
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    expected = {0: [10], 2: [60], "all": [10, 20, 60], "max": [60], "mean": [30]}
    for chosen, values in expected.items():
        assert decode_image(tmp_path / "stack.tif", chosen)[:, 0, 0].tolist() == values
    with pytest.raises(DataBroken, match=r"has 3 pages, and data\.pages is not set"):
        decode_image(tmp_path / "stack.tif")
    with pytest.raises(DataBroken, match=r"has 3 page\(s\), numbered from 0, and no page 3"):
        decode_image(tmp_path / "stack.tif", 3)
    problem = "pages: 1 of 1 files have several pages, such as stack.tif with 3. Set data.pages to a page number"
    assert image_set(tmp_path).find_problems()[0].startswith(problem)
    assert image_set(tmp_path, pages="all").channels == 3
    assert image_set(tmp_path, pages=1).find_problems() == []


def test_values_that_are_not_finite_are_refused(tmp_path):
    Image.fromarray(np.array([[np.nan, 1.0]], np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(DataBroken, match="not finite"):
        decode_image(tmp_path / "nan.tif")


def test_too_many_pixels_are_a_problem_of_one_file(tmp_path, recwarn):
    Image.fromarray(PHOTO).save(tmp_path / "large.png")
    Image.fromarray(PHOTO[:9, :9]).save(tmp_path / "small.png")
    found = image_set(tmp_path, max_pixels=100)
    assert "90 x 60 = 5,400 pixels, more than data.max_pixels=100" in found.describe()["unreadable"]
    with pytest.raises(DataBroken, match=r"more than data\.max_pixels=100"):
        found.read(0)
    assert found.read(1).shape == (3, 9, 9)
    assert not recwarn.list


def test_the_intensity_range_is_one_for_the_whole_dataset(tmp_path):
    """12-bit counts in 16-bit files: not black, and comparable between images."""
    rng = np.random.default_rng(0)
    for number, top in enumerate((600, 900, 4095)):
        counts = rng.integers(400, top, (50, 50)).astype(np.uint16)
        counts[0, :2] = 400, top
        Image.fromarray(counts).save(tmp_path / f"{number}.tif")
    wide = image_set(tmp_path, intensity_range="minmax")
    assert wide.span == ((400.0,), (4095.0,))
    assert wide.read(0).max() == round((600 - 400) / (4095 - 400) * 255)
    robust = image_set(tmp_path)
    together = np.concatenate([decode_image(path).ravel() for path in robust.files])
    assert robust.span == (
        pytest.approx([np.percentile(together, 0.1)]),
        pytest.approx([np.percentile(together, 99.9)]),
    )
    assert "is shown as black" in robust.describe()["bit depth"]
    assert image_set(tmp_path, intensity_range=(0.0, 65535.0)).read(2).max() == round(4095 / 65535 * 255)
    assert image_set(tmp_path, intensity_range="type").span == ((0.0,), (65535.0,))


def test_channels_that_are_no_colors_have_ranges_of_their_own(tmp_path):
    planes = np.stack([np.linspace(0, high, 24).reshape(4, 6) for high in (10, 1000, 50, 60000)]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stains.tif", planes, photometric="minisblack", planarconfig="separate")
    found = image_set(tmp_path, intensity_range="minmax")
    assert found.span[1] == (10.0, 1000.0, 50.0, 60000.0)
    assert found.read(0).max(axis=(1, 2)).tolist() == [255] * 4
    chosen = image_set(tmp_path, intensity_range="minmax", channels=(3, 1))
    assert (chosen.channels, chosen.read(0).shape) == (2, (2, 4, 6))
    assert image_set(tmp_path, channels=(4,)).find_problems() == [
        "channels=[4]: a file has only 4 channels. Use numbers from 0 to 3"
    ]
    assert "neither gray nor color" in image_set(tmp_path, channels="gray").find_problems()[0]
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    assert "different numbers of channels: 3, 4" in image_set(tmp_path).find_problems()[0]


def test_a_type_without_a_range_is_refused(tmp_path):
    Image.fromarray(np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)).save(tmp_path / "float.tif")
    problem = image_set(tmp_path, intensity_range="type").find_problems()[0]
    assert problem.startswith("intensity_range=type: files hold float32 numbers")
    assert problem.endswith("Set data.intensity_range=[BLACK,WHITE]")


def test_color_is_kept_unless_all_files_are_gray(tmp_path):
    Image.fromarray(PHOTO).convert("L").save(tmp_path / "gray.png")
    assert image_set(tmp_path).channels == 1
    Image.fromarray(PHOTO).save(tmp_path / "color.png")
    both = image_set(tmp_path)
    assert [both.read(row).shape[0] for row in (0, 1)] == [3, 3]
    gray = image_set(tmp_path, channels="gray")
    assert (gray.read(0) == gray.read(1)).all()
    assert "color is converted to gray" in gray.describe()["channels"]


def test_a_16_bit_color_png_is_reported_as_narrowed(tmp_path):
    """Pillow keeps the upper 8 bits of such files."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    data = zlib.compress(b"\0" + struct.pack(">6H", *(1000 * n for n in range(6))))
    content = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert "only the upper 8 bits of 1 color PNG files are read" in image_set(tmp_path).describe()["bit depth"]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_gray_is_what_pillow_makes_of_color(seed, height, width):
    image = np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(np.ascontiguousarray(np.moveaxis(image, 0, -1))).convert("L"))
    assert (convert_to_gray(image)[0] == expected).all()


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_a_range_becomes_black_and_white(low, width):
    values = np.array([[[low - 1, low, low + width / 2, low + width, low + width + 1]]])
    assert scale_to_bytes(values, [low], [low + width])[0, 0, [0, 1, 3, 4]].tolist() == [0, 0, 255, 255]


def test_plankton_readers_decode_as_image_folder_does(tmp_path):
    """16-bit gray was clipped to white, and transparency showed what it hid."""
    from sslbench_plankton.datasets import kaggle_plankton, kaggle_plankton_reader
    from sslbench_vision.datasets import image_folder, image_folder_reader

    from sslbench.api.specs import Source

    rng = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / f"train/{name}").mkdir(parents=True)
        deep = rng.integers(400, 4096, (9, 9)).astype(np.uint16)
        Image.fromarray(deep).save(tmp_path / f"train/{name}/deep.png")
        clear = np.dstack([deep // 16, rng.integers(0, 2, (9, 9)) * 255]).astype(np.uint8)
        Image.fromarray(clear, "LA").save(tmp_path / f"train/{name}/clear.png")
    source = Source(root=tmp_path, folders=(), work=tmp_path / "work", part="labeled")
    plankton = kaggle_plankton_reader.open_kaggle_plankton(kaggle_plankton.KagglePlanktonConfig(root=tmp_path), source)
    folder = Source(root=tmp_path / "train", folders=(), work=tmp_path / "work")
    everyday = image_folder_reader.open_folder(image_folder.ImageFolderConfig(), folder)
    for row in range(4):
        assert plankton.columns["id"][row] == everyday.columns["id"][row]
        expected = everyday.read(row, rng)["image"]
        assert (plankton.read(row, rng)["image"] == expected).all()
        assert 50 < expected.mean() < 250


def test_images_of_five_channels_are_learned_from(tmp_path):
    import sslbench

    rng = np.random.default_rng(0)
    for name, light in (("a", 40), ("b", 200)):
        (tmp_path / f"set/{name}").mkdir(parents=True)
        for number in range(12):
            values = np.clip(rng.normal(light, 20, (5, 12, 12)), 0, 255).astype(np.uint8)
            path = tmp_path / f"set/{name}/{number}.tif"
            tifffile.imwrite(path, values, photometric="minisblack", planarconfig="separate")
    asked = {"data.root": str(tmp_path / "set"), "view.size": 16, "protocols": ["knn"], "baselines": [], "seeds": [0]}
    asked |= {"backbone.name": "micro-cnn", "backbone.widths": [4, 8, 8, 8], "train.epochs": 1, "threads": 1}
    results = sslbench.run("simclr", "image-folder", out=tmp_path / "runs", settings=asked)
    assert results.records[0].status == "done"
    assert results.scores.query("metric == 'micro_accuracy'").value.min() > 0.8
