"""Define the command line. Each command imports the slow modules that it needs."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import NoReturn

from sslbench import environment
from sslbench.api.errors import RequestError, SslbenchError
from sslbench.cli import boards, catalog, data, plugins, run, studies
from sslbench.cli.failures import describe_failure, write_report
from sslbench.library_warnings import silence_library_warnings

app = catalog.app
for commands in (run.app, studies.app):
    app.registered_commands += commands.registered_commands
app.add_typer(data.data_app, name="data")
app.add_typer(studies.study_app, name="study")
app.add_typer(plugins.plugin_app, name="plugin")
app.add_typer(boards.board_app, name="leaderboard")


def main() -> None:
    """Run the command line; problems of a request or of the system are printed as error messages without traceback."""
    environment.isolate_children()
    silence_library_warnings()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a file name may contain characters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SslbenchError as error:
        lines = error.problems if isinstance(error, RequestError) else str(error).splitlines()
        _fail(lines, error.exit_code)
    except Exception as error:
        _fail([describe_failure(error) or write_report(error)], 1)


def _fail(lines: Sequence[str], code: int) -> NoReturn:
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
