"""Read YAML without losing what was typed: a scalar is a number only where that number is written exactly so.

YAML 1.1 reads 010 as 8, 1:30 as 90 and `no` as false, and ends a path at ' #'. Whether `2024` is a number or a name depends
on the setting, which is known only when a plan is made: `convert` gives the text its type.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

DEEPEST = 50
"""Levels of nesting that a file may have; requests and studies need fewer than ten."""
NOTHING = ("", "~", "null", "Null", "NULL")
WHOLE = re.compile(r"0|-?[1-9][0-9]*")
DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
POWER = re.compile(r"[-+]?[0-9]+\.[0-9]+[eE][-+]?[0-9]+")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
BRACKETS = ("[", "{", '"', "'")


def parse_scalar(text: str) -> Any:
    """Return the number, truth value or None that a text is the usual way to write, else the text itself."""
    if text in NOTHING:
        return None
    if text in ("true", "false"):
        return text == "true"
    if WHOLE.fullmatch(text):
        return int(text)
    plainly = POWER.fullmatch(text) or (DECIMAL.fullmatch(text) and repr(float(text)) == text)
    return float(text) if plainly else text


def parse_numbers(values: Sequence[Any]) -> list[Any]:
    """Return values with powers of ten such as 1e-3 as numbers, if all values then are numbers; else the values."""
    powers = [isinstance(value, str) and "e" in value.lower() and NUMBER.fullmatch(value) for value in values]
    found = [float(value) if power else value for value, power in zip(values, powers, strict=True)]
    return found if all(type(value) in (int, float) for value in found) else list(values)


def parse_override(text: str) -> Any:
    """Parse what follows 'key=': a list, settings or a quoted text as YAML, anything else as one scalar.

    What begins with a bracket and is no YAML is taken as text, such as the path '[old] images'.
    """
    text = text.strip()
    if not text.startswith(BRACKETS):
        return parse_scalar(text)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader that knows fewer types
    except (yaml.YAMLError, RecursionError):
        return text


def read_yaml(file: Path) -> Any:
    """Read a file in UTF-8, or in UTF-16 with its mark.

    Raises ValueError with a sentence that begins with the file's name.
    """
    try:
        return yaml.load(file.read_bytes(), Loader=_Loader)  # noqa: S506 - a SafeLoader that knows fewer types
    except yaml.reader.ReaderError as error:
        raise ValueError(f"{file}: is not UTF-8 text ({error.reason}). Save it in UTF-8") from error
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ValueError(f"{file}: cannot be read as YAML: {TOO_DEEP}") from error


TOO_DEEP = f"it is nested deeper than {DEEPEST} levels"


class _Loader(yaml.SafeLoader):
    """Scalars by `parse_scalar`, no key twice, bounded depth."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.YAMLError(TOO_DEEP)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        written = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        names = [self.construct_object(key, deep=True) for key in written]
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {twice[0]!r} is written twice")
        return super().construct_mapping(node, deep=deep)


def _construct_scalar(loader: _Loader, node: yaml.ScalarNode) -> Any:
    text = str(loader.construct_scalar(node))
    return parse_scalar(text) if node.style is None else text


_Loader.yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}
_Loader.add_constructor("tag:yaml.org,2002:str", _construct_scalar)
