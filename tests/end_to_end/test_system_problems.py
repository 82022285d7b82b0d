"""Problems of the system end in one line that states what to do: no home folder, denied folders, other encodings, no memory."""

from __future__ import annotations

import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sslbench import cli, environment
from sslbench.api.errors import RequestError, SslbenchError
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.cli.failures import describe_failure, write_report
from sslbench.convert import convert
from tests.unit.config.test_typed_text import Settings

VARIABLES = ("SSLBENCH_DATA", "SSLBENCH_SOURCES", "SSLBENCH_DISABLE", "XDG_CACHE_HOME", "TORCHELASTIC_RUN_ID", "SLURM_STEP_ID",
             "SLURM_NTASKS", "RANK", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES", "OMP_WAIT_POLICY")  # fmt: skip


def seen() -> tuple:
    environment.let_waiting_threads_sleep()
    return (
        environment.places(), environment.disabled_plugins(), environment.process_count(), environment.process_rank(),
        os.environ["OMP_WAIT_POLICY"],
    )  # fmt: skip


def test_empty_environment_variables_count_as_not_set(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    unset = seen()
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert seen() == unset
    assert environment.places().data == Path.home() / ".cache" / "sslbench"


def test_a_user_without_a_home_folder_needs_a_folder_for_data(monkeypatch, tmp_path):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path))
    assert environment.places().data == tmp_path
    monkeypatch.setenv("SSLBENCH_DATA", "")
    with pytest.raises(
        SslbenchError, match=r"\$SSLBENCH_DATA: is not set, and this user has no home folder. Set it to"
    ):
        environment.places()


def test_the_home_of_a_user_that_does_not_exist_is_refused(monkeypatch):
    problems: list[str] = []
    convert({"folder": "~no-such-user/x"}, Settings, "data", problems)
    assert problems == [
        "data.folder=~no-such-user/x: must be a path, but '~no-such-user' is not the home folder of a known user. "
        "Write the path in full"
    ]
    monkeypatch.setenv("SSLBENCH_DATA", "~no-such-user")
    with pytest.raises(SslbenchError, match=r"\$SSLBENCH_DATA=~no-such-user: is in no known user's home folder"):
        environment.places()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/y"),
            "/x/y: permission denied. Use a folder that you may write to",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/x/y"), "/x/y: read-only file system. Use a folder"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), "/x/y: not a directory. Check --out"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x: its disk is full"),
        (MemoryError(), "memory: not enough for this request. Lower train.batch_size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "memory: not enough"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "memory: not enough"),
        (UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed"), "'caf\\udce9': is not UTF-8 text"),
        (UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, "invalid"), "b'caf\\xe9': is not UTF-8 text"),
    ],
)
def test_a_problem_of_the_system_is_one_line_that_states_what_to_do(error, told):
    sentence = describe_failure(error)
    assert sentence.startswith(told)
    assert "\n" not in sentence


def test_a_file_that_code_expected_is_no_problem_of_the_system():
    assert describe_failure(FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/y")) is None


@pytest.mark.parametrize(
    ("error", "lines", "code"),
    [
        (
            RequestError(["a: wrong. Set b.", "c: wrong. Set d."]),
            ["error: a: wrong. Set b.", "error: c: wrong. Set d."],
            2,
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), ["error: /x: permission denied."], 1),
        (
            KeyError("an unforeseen error"),
            ["error: KeyError: 'an unforeseen error'. This is a bug of sslbench or of a plugin."],
            1,
        ),
    ],
)
def test_no_error_shows_a_traceback(error, lines, code, monkeypatch, capsys):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == len(lines)
    for line, start in zip(shown, lines, strict=True):
        assert line.startswith(start)


PLUGIN = """
from pathlib import Path
def build(path):
    Path(path).read_bytes()
"""


@pytest.mark.parametrize("place", ["plugin/file", "missing"], ids=["a file as a folder", "no file"])
def test_an_error_in_the_code_of_a_plugin_names_the_plugin_and_a_report(place, tmp_path, monkeypatch):
    install(tmp_path, "hastily", "[sslbench]\nhastily = hastily.components\n")
    package = tmp_path / "hastily"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "components.py").write_text(PLUGIN)
    (tmp_path / "plugin").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(OSError) as raised:  # noqa: PT011 - of two types
        importlib.import_module("hastily.components").build(tmp_path / place)
    line = describe_failure(raised.value) or write_report(raised.value)
    (report,) = tmp_path.glob("sslbench-error-*.txt")
    assert "the plugin hastily 1" in line
    assert line.endswith(f"with the file {report}")
    assert "build" in report.read_text()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no folder"))
    assert "the plugin hastily 1" in (describe_failure(raised.value) or "the plugin hastily 1")


def test_an_unforeseen_error_is_written_to_a_file(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        raise KeyError("reason")
    except KeyError as error:
        line = write_report(error)
    (report,) = tmp_path.iterdir()
    assert line.endswith(f"Report it with the file {report}")
    assert "Traceback (most recent call last)" in report.read_text()
    assert "sslbench 0." in report.read_text()


@pytest.fixture
def folder_of_user(tmp_path):
    """A folder with modules that are called like those of the standard library."""
    for name in ("random", "types", "json"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('module of the user')")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "-m", "sslbench", "version"),
        (*environment.isolated_python(), "-c", "import random; print(random.random())"),
    ],
)
def test_modules_in_the_users_folder_are_not_imported(command, folder_of_user):
    done = subprocess.run(command, cwd=folder_of_user, capture_output=True, text=True, check=False)
    assert "module of the user" not in done.stderr
    assert done.stdout


def test_programs_started_through_libraries_ignore_the_users_folder(folder_of_user):
    program = (
        "import subprocess, sys; from sslbench import environment; environment.isolate_children(); "
        "sys.exit(subprocess.run([sys.executable, '-c', 'import random']).returncode)"
    )
    command = [*environment.isolated_python(), "-c", program]
    done = subprocess.run(command, cwd=folder_of_user, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert environment.worker_environment(1)["PYTHONSAFEPATH"] == "1"


def install(folder: Path, name: str, entry_points: str, metadata: str | None = None) -> None:
    made = folder / f"{name}-1.dist-info"
    made.mkdir(parents=True)
    (made / "entry_points.txt").write_text(entry_points)
    if metadata is None:
        (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")


@pytest.mark.parametrize(
    ("entry_points", "told"),
    [
        ("[sslbench]\nno equals sign\n", "entry_points.txt cannot be read"),
        ("[sslbench]\nmine = os:path.no\n", "AttributeError"),
        ("[sslbench]\nmine = a b c\n", "mine"),
        ("[sslbench]\nmine = tests.no_such_module\n", "ModuleNotFoundError"),
        ("[sslbench]\nmine = math:pi\n", ""),
    ],
)
@pytest.mark.parametrize("metadata", [None, "absent"])
def test_entry_points_of_others_that_cannot_be_read_are_problems_of_theirs(
    entry_points, told, metadata, tmp_path, monkeypatch
):
    install(tmp_path, "foreign", entry_points, metadata)
    install(tmp_path, "unrelated", "[console_scripts]\nno equals sign\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    catalog = discover(installed_entries())
    own = [str(problem) for problem in catalog.problems if problem.origin.distribution in ("foreign", "unknown")]
    assert catalog.find("dataset", "digits")
    assert not [problem for problem in catalog.problems if problem.origin.distribution == "unrelated"]
    assert bool(own) == bool(told)
    assert told in " ".join(own)


def test_doctor_looks_at_everything(cli):
    answer = cli("doctor")
    for piece in ("versions: sslbench", "device: ", "disk: ", "plugins: 0 problem(s)", "data: digits: 1,797 samples"):
        assert piece in answer.stdout
