"""Mistakes of the user give one line each and an exit code: all of them at once, before anything runs."""

from __future__ import annotations

import pytest

import sslbench
from sslbench.api.errors import RequestError


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["run", "--dataset", "digits"], 2, "method: is required. Add --method NAME"),
        (["run", "--method", "mae"], 2, "data: is required. Add --dataset NAME"),
        (["run", "--method", "mae", "--dataset", "daplankton"], 3, "was not found: "),
        (["run", "--method", "mae", "--dataset", "digits", "--backbone", "micro-cnn"], 2, "does not provide tokens"),
        (["show", "metod", "mae"], 2, "'metod' is not a kind of component"),
        (["list", "things"], 2, "is not a kind of component"),
        (["data", "where", "mnist"], 3, "put its four idx files"),
        (["data", "prepare", "digits", "prepare.fit=stretch"], 2, "prepare.fit=stretch: must be one of"),
    ],
)
def test_a_mistake_of_the_user_is_one_line_and_an_exit_code(cli, arguments, code, sentence):
    answer = cli(*arguments)
    assert answer.returncode == code
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr
    assert all(line.startswith("error: ") for line in answer.stderr.strip().splitlines())


@pytest.mark.parametrize(
    ("method", "settings", "sentences"),
    [
        ("mea,simlcr", {}, ("method 'mea' is not installed", "method 'simlcr' is not installed")),
        ("mae", {"splits.transfer": "camera", "splits.groups": "dish"},
         ("splits.transfer: the data has no column 'camera'; possible:", "splits.groups: the data has no column 'dish'; possible:")),
    ],
)  # fmt: skip
def test_everything_wrong_is_reported_at_once(method, settings, sentences):
    with pytest.raises(RequestError) as error:
        sslbench.run(method, "digits", settings=settings)
    assert all(any(sentence in problem for problem in error.value.problems) for sentence in sentences)


def test_a_misspelt_baseline_is_refused(cli, tmp_path):
    arguments = ["run", "--method", "mae", "--dataset", "digits", "--baselines", "randominit", "--out"]
    answer = cli(*arguments, str(tmp_path / "r"))
    assert answer.returncode == 2
    assert "error: baselines: method 'randominit' is not installed. Did you mean 'random-init'?" in answer.stderr
    assert not (tmp_path / "r").exists()


def test_data_of_other_channels_than_what_is_learned_from_is_refused(tmp_path):
    from PIL import Image

    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9), (200, 10, 10)).save(tmp_path / name / "1.png")
    with pytest.raises(
        RequestError,
        match=rf"'image' of {tmp_path.name} has .* shape \(3, 0, 0\), but .* of digits \(pretrain.pool\) .* Set",
    ):
        sslbench.run("mae", "image-folder", settings={"data.root": str(tmp_path), "pretrain.pool": "digits"})
