"""The command line: arguments in, text out; no logic. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import sys
from typing import NoReturn

from sslbench.api.errors import RequestError, SslbenchError
from sslbench.cli import boards, catalog, data, plugins, run, studies

app = catalog.app
for commands in (run.app, studies.app):
    app.registered_commands += commands.registered_commands
app.add_typer(data.data_app, name="data")
app.add_typer(studies.study_app, name="study")
app.add_typer(plugins.plugin_app, name="plugin")
app.add_typer(boards.board_app, name="leaderboard")


def main() -> None:
    """Run the command line; a user's mistake ends in sentences, not in a traceback."""
    try:
        app()
    except SslbenchError as error:
        _fail(error)


def _fail(error: SslbenchError) -> NoReturn:
    lines = error.problems if isinstance(error, RequestError) else str(error).splitlines()
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(error.exit_code)
