"""Import implementations that specs name as text, `package.module:Name`."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable
from typing import Any, cast

from sslbench.api.errors import ImplementationError, SslbenchError

FORM = "package.module:Name"
"""The form of a text that names an implementation."""
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_TEXT = re.compile(f"{_DOTTED}:{_DOTTED}")


def is_implementation_name(text: str) -> bool:
    """Return whether a text has the form `package.module:Name`; imports nothing."""
    return _TEXT.fullmatch(text) is not None


def load_implementation(build: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return the callable that `build` names; a callable is returned unchanged.

    Raises ImplementationError if the module or the name does not exist, the module raises, or the name is not callable.
    Errors of sslbench during the import, such as Unavailable, pass unchanged.
    """
    if not isinstance(build, str):
        return build
    if not is_implementation_name(build):
        raise ImplementationError(f"build={build!r}: must have the form {FORM!r}")
    module, _, name = build.partition(":")
    target: Any = _import(module, build)
    for part in name.split("."):
        if not hasattr(target, part):
            close = difflib.get_close_matches(part, dir(target), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else " Correct the name."
            owner = f"module {module!r}" if target.__class__.__name__ == "module" else repr(target)
            raise ImplementationError(f"build={build!r}: {owner} has no attribute {part!r}.{hint}")
        target = getattr(target, part)
    if not callable(target):
        raise ImplementationError(f"build={build!r}: the {type(target).__name__} {target!r:.60} is not callable")
    return cast(Callable[..., Any], target)


def _import(module: str, build: str) -> Any:
    try:
        return importlib.import_module(module)
    except SslbenchError:
        raise
    except (Exception, SystemExit) as error:  # code of a plugin may raise anything
        missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if missing and f"{module}.".startswith(f"{missing}."):
            text = f"module {missing!r} not found. Correct the text, or install the package that contains the module."
        else:
            text = f"module {module!r} raises {type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
        raise ImplementationError(f"build={build!r}: {text}") from error
