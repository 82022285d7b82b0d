"""Turn plain mappings into frozen typed dataclasses, strictly, and back.

OmegaConf's own conversion turns tuples into lists, accepts nan and three values for a pair, refuses Literal and stops at
the first error; this one has none of these faults. It knows types and the ranges stated beside them, not settings.

Text is taken as it was typed: a setting that is text takes the number 2024 as '2024', and a setting that is a number takes
'010' as 10, which YAML 1.1 reads as 8 (see `yaml_values`). A quoted number stays text.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from sslbench.api.ranges import Limit
from sslbench.old_names import find_new_path, find_new_value
from sslbench.yaml_values import NUMBER, parse_scalar

SETTINGS = "expected settings, each with a name"
WHOLE = re.compile(r"[-+]?[0-9]+")
TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""The words of YAML 1.1 for a setting that is true or false; for any other setting they are names."""


class _Mismatch(Exception):
    """A value that is not of its type: the sentence, and the names below the setting where it was found."""

    def __init__(self, sentence: str, below: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.below = below


def convert(values: object, cls: type[Any], path: str, problems: list[str]) -> Any:
    """Make a dataclass from a mapping of names to values; what is wrong is added to `problems`, and its default stands in."""
    hints = _type_hints(cls)  # type: ignore[arg-type]  # a class is hashable
    fields = {f.name: f for f in dataclasses.fields(cls)}
    given: dict[str, Any] = {}
    if not isinstance(values, Mapping):
        problems.append(f"{path}: {SETTINGS}, got {_shown(values)}")
        return cls()
    for name, value in values.items():
        where = f"{path}.{name}" if path else str(name)
        if name not in fields:
            new = find_new_path(where)
            problems.append(
                f"{where} is now {new}" if new else f"{where}: no such setting{_nearest(str(name), fields, path)}"
            )
            continue
        if dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping):
            given[name] = convert(value, typing.cast(type[Any], hints[name]), where, problems)
            continue
        try:
            given[name] = _value(value, hints[name])
        except _Mismatch as mismatch:
            problems.append(_wrong_value(where, value, mismatch))
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        first = re.match(r"\w+", str(error))
        is_named = path and first is not None and first[0] in fields
        problems.append(f"{path}.{error}" if is_named else f"{path or cls.__name__}: {error}")
        return cls()


@cache
def _type_hints(cls: type[object]) -> Mapping[str, Any]:
    """Resolve the types of a dataclass, which is slow, once: a study converts the same settings for every point."""
    return typing.get_type_hints(cls, include_extras=True)


def _wrong_value(where: str, value: Any, mismatch: _Mismatch) -> str:
    if isinstance(value, str) and (new := find_new_value(where, value)):
        return f"{where}={value} is now {where}={new}"
    return f"{'.'.join((where, *mismatch.below))}: {mismatch}"


def plain(value: Any) -> Any:
    """A value as JSON and YAML know it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, frozenset, set)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, Path) else value


def file_settings(cls: type[Any]) -> list[str]:
    """List the settings of a dataclass whose type is a file or folder, alone or among others."""
    return [name for name, kind in typing.get_type_hints(cls).items() if _holds_path(kind)]


def text_file_settings(cls: type[Any]) -> list[str]:
    """List the settings of a dataclass that are text and may be a path: those with `names_file` in their metadata."""
    return [field.name for field in dataclasses.fields(cls) if field.metadata.get("names_file")]


def _holds_path(kind: Any) -> bool:
    return kind is Path or any(_holds_path(one) for one in get_args(kind))


def key_form(value: Any) -> Any:
    """Return a value as it enters a key: a file by its content's digest, without the fields that change no number."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f for f in dataclasses.fields(value) if f.metadata.get("identity", True)]
        return {f.name: key_form(getattr(value, f.name)) for f in fields}
    if isinstance(value, Mapping):
        return {str(name): key_form(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [key_form(item) for item in value]
    if isinstance(value, Path):
        return hashlib.blake2b(value.read_bytes()).hexdigest() if value.is_file() else str(value)
    return plain(value)


def _value(value: Any, kind: Any) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Annotated:
        found = _value(value, args[0])
        for limit in args[1:]:
            if isinstance(limit, Limit) and not limit.allows(found):
                raise _Mismatch(f"{_shown(plain(value))} is not possible. Possible: {limit}")
        return found
    if origin in (Union, types.UnionType):
        return _any_of(value, args)
    if origin is Literal:
        if any(value == arg and type(value) is type(arg) for arg in args):
            return value
        close = difflib.get_close_matches(str(value), [str(a) for a in args], n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise _Mismatch(f"{value!r} is not possible; {hint}possible: {', '.join(repr(a) for a in args)}")
    if origin is tuple:
        return _tuple(value, args)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _Mismatch(f"{SETTINGS}, got {_shown(value)}")
        return {str(name): _named(str(name), item, args[1]) for name, item in value.items()}
    return _scalar(value, kind)


def _named(name: str, value: Any, kind: Any) -> Any:
    try:
        return _value(value, kind)
    except _Mismatch as mismatch:
        raise _Mismatch(str(mismatch), (name, *mismatch.below)) from None


def _any_of(value: Any, kinds: Sequence[Any]) -> Any:
    for kind in [kind for kind in kinds if type(value) is _bare(kind)]:
        return _value(value, kind)
    found: dict[Any, _Mismatch] = {}
    for kind in sorted(kinds, key=lambda k: _bare(k) is float):  # an int given for int | float stays an int
        try:
            return _value(value, kind)
        except _Mismatch as mismatch:
            found[kind] = mismatch
    found.pop(type(None), None)  # that nothing is possible too helps nobody who wrote something
    raise next(iter(found.values())) if len(found) == 1 else _Mismatch("; or ".join(map(str, found.values())))


def _bare(kind: Any) -> Any:
    """A type without its range."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _tuple(value: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        hint = f"; write [{value}]" if isinstance(value, (str, int, float)) and args[-1] is Ellipsis else ""
        raise _Mismatch(f"expected a list, got {_shown(value)}{hint}")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_value(item, args[0]) for item in value)
    if len(value) != len(args):
        raise _Mismatch(f"expected {len(args)} values, got {len(value)}")
    return tuple(_value(item, kind) for item, kind in zip(value, args, strict=True))


def _scalar(value: Any, kind: Any) -> Any:
    if kind is None or kind is type(None):
        if value is None:
            return None
        raise _Mismatch(f"expected nothing (null), got {_shown(value)}")
    if isinstance(value, str) and kind in (int, float, bool):
        value = _parsed(value, kind)
    elif kind in (str, Path) and isinstance(value, (bool, int, float)):
        value = str(value).lower() if isinstance(value, bool) else str(value)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise _Mismatch(f"{value!r} is not a finite number")
        return float(value)
    if kind is Path and isinstance(value, (str, Path)):
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise _Mismatch(f"{str(value)!r} names no user's home folder. Write the path in full") from None
    if isinstance(kind, type) and issubclass(kind, Enum) and isinstance(value, str):
        if value in kind.__members__:
            return kind[value]
        raise _Mismatch(f"{value!r} is not possible; possible: {', '.join(kind.__members__)}")
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
    raise _Mismatch(f"expected {names.get(kind, getattr(kind, '__name__', kind))}, got {_shown(value)}")


def _parsed(text: str, kind: type[Any]) -> Any:
    """A text as the number or truth value that it writes; unchanged where it writes none, or was quoted."""
    if parse_scalar(text) != text:
        return text
    if kind is bool:
        return TRUTH.get(text.lower(), text)
    pattern, number = (WHOLE, int) if kind is int else (NUMBER, float)
    return number(text) if pattern.fullmatch(text) else text


def _shown(value: Any) -> str:
    return f"{value!r:.60}"


def _nearest(name: str, known: Mapping[str, Any], path: str) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    prefix = f"{path}." if path else ""
    hint = f"; did you mean '{prefix}{close[0]}'?" if close else ""
    return f"{hint}; possible: {', '.join(known) if known else 'none, it has no settings'}"
