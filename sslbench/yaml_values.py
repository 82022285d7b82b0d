"""Read YAML and overrides; a scalar becomes a number only if this is the usual way to write the number.

YAML 1.1 reads 010 as 8, 1:30 as 90 and `no` as false, and ends a path at ' #'. The type of a text such as `2024` depends on
the setting, which is known only when a plan is made: `convert` gives it its type.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH = 50
"""Limit on the levels of nesting in a file; requests and studies need fewer than ten."""
NULL_WORDS = ("", "~", "null", "Null", "NULL")
WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
POWER = re.compile(r"[-+]?[0-9]+\.[0-9]+[eE][-+]?[0-9]+")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
BRACKETS = ("[", "{", '"', "'")


def parse_scalar(text: str) -> Any:
    """Return the number, truth value or None that a text writes in the usual way, else the text."""
    if text in NULL_WORDS:
        return None
    if text in ("true", "false"):
        return text == "true"
    if WHOLE_NUMBER.fullmatch(text):
        return int(text)
    is_usual = POWER.fullmatch(text) or (DECIMAL.fullmatch(text) and repr(float(text)) == text)
    return float(text) if is_usual else text


def parse_numbers(values: Sequence[Any]) -> list[Any]:
    """Return values with texts such as 1e-3 as numbers, if all values are numbers then; else the values unchanged."""
    is_power = [isinstance(value, str) and "e" in value.lower() and NUMBER.fullmatch(value) for value in values]
    numbers = [float(value) if power else value for value, power in zip(values, is_power, strict=True)]
    return numbers if all(type(value) in (int, float) for value in numbers) else list(values)


def parse_override(text: str) -> Any:
    """Return the value of an override 'key=text': lists, settings and quoted texts are YAML, all else is one scalar.

    A text that begins with a bracket and is not YAML stays text, such as the path '[old] images'.
    """
    text = text.strip()
    if not text.startswith(BRACKETS):
        return parse_scalar(text)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer types
    except (yaml.YAMLError, RecursionError):
        return text


def read_yaml(file: Path) -> Any:
    """Read a YAML file in UTF-8, or in UTF-16 with a byte order mark.

    Raises ValueError with one line that begins with the path of the file.
    """
    try:
        return yaml.load(file.read_bytes(), Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer types
    except yaml.reader.ReaderError as error:
        raise ValueError(f"{file}: is not UTF-8 text ({error.reason}). Save it in UTF-8") from error
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ValueError(f"{file}: cannot be read as YAML: {TOO_DEEP}") from error


TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"


class _Loader(yaml.SafeLoader):
    """YAML loader that reads scalars with `parse_scalar`, and refuses duplicate keys and deep nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(TOO_DEEP)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        names = [self.construct_object(key, deep=True) for key in keys]
        if duplicates := [name for number, name in enumerate(names) if name in names[:number]]:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {duplicates[0]!r} is written twice")
        return super().construct_mapping(node, deep=deep)


def _construct_scalar(loader: _Loader, node: yaml.ScalarNode) -> Any:
    text = str(loader.construct_scalar(node))
    return parse_scalar(text) if node.style is None else text


_Loader.yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}
_Loader.add_constructor("tag:yaml.org,2002:str", _construct_scalar)
