"""Convert plain mappings into frozen typed dataclasses, strictly, and back. The only validator of this project.

It serves requests, studies, suites, bundles and the specs of plugins. It checks types and the ranges stated with them, and
reports all problems at once. Decision 14 compares it with pydantic and cattrs.

Text is kept as it was typed: a text setting takes the number 2024 as '2024', and a number setting takes '010' as 10, which
YAML 1.1 reads as 8 (see `yaml_values`). A quoted number stays text.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from sslbench.api.ranges import Limit
from sslbench.api.settings import find_renamed, find_renamed_value, help_of
from sslbench.yaml_values import NUMBER, parse_scalar

Source = Literal["text", "json", "python"]
"""Origin of values: typed text, JSON (no text is read as a number), or Python objects, which are only checked."""
_Fields: TypeAlias = tuple[Mapping[str, dataclasses.Field[Any]], Mapping[str, Any], Sequence[str]]
"""Fields of a dataclass, their types, and the names of those without a default."""
SETTINGS_BY_NAME = "settings by name"
WHOLE_NUMBER = re.compile(r"[-+]?[0-9]+")
PLAIN_TEXT = re.compile(r"[\w./~+-]+")
TRUTH_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""Words of YAML 1.1 for a setting that is true or false; for any other setting they are names."""
TYPE_NAMES: Mapping[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path", type(None): "null",
    Callable: "a function", type: "a class",
}  # fmt: skip


class _Mismatch(Exception):
    """A value that its type does not allow.

    required: what the value must be, such as 'a number'. hint: a sentence on how to correct it. below: names of entries
    between the setting and the value. entry: the value of the last of these names.
    """

    def __init__(
        self, required: str, value: Any, *, hint: str = "", below: tuple[str, ...] = (), entry: Any = None
    ) -> None:
        super().__init__(required)
        self.required, self.value, self.hint = required, value, hint
        self.below, self.entry = below, entry


def convert(values: Any, cls: type[Any], path: str, problems: list[str], source: Source = "text") -> Any:
    """Convert a mapping of names to values into a dataclass.

    Every problem is one line in `problems`; its setting keeps the default (no default: returns None).
    """
    return _Converter(source, problems).convert_fields(values, cls, path)


def list_type_errors(value: object, *, any_name: bool = False) -> list[str]:
    """List the fields of a dataclass object, at any depth, whose values their types do not allow, one line each.

    any_name: accept any text where a type lists names.
    """
    problems: list[str] = []
    _Converter("python", problems, any_name).convert_value(value, type(value), "")
    return problems


class _Converter:
    """Converts values of one source; adds every problem to a list."""

    def __init__(self, source: Source, problems: list[str], any_name: bool = False) -> None:
        self.source, self.problems, self.any_name = source, problems, any_name

    def describe_fields(self, cls: type[Any]) -> _Fields:
        return _describe_fields(cls, skip_unknown=self.source == "python")  # type: ignore[arg-type]  # it is hashable

    def convert_fields(self, values: object, cls: type[Any], path: str) -> Any:
        """Return a dataclass of the values, or None if a field without a default is missing or wrong."""
        fields, hints, required = self.describe_fields(cls)
        given: dict[str, Any] = {}
        if not isinstance(values, Mapping):
            lead = f"{path}=" if path else ""
            self.problems.append(f"{lead}{_as_written(values)}: must be {SETTINGS_BY_NAME}")
            return None if required else cls()
        for name, value in values.items():
            if _is_exact(value, hints.get(name)):  # most of the thousands of values of a record
                given[name] = value
                continue
            setting = _join(path, name)
            if name not in fields:
                new = find_renamed(cls, name)
                unknown = f"{setting}: no such setting{_suggest(str(name), fields, path)}"
                self.problems.append(f"{setting} is now {_join(path, new)}" if new else unknown)
                continue
            try:
                given[name] = self.convert_value(value, hints[name], setting)
            except _Mismatch as mismatch:
                new = find_renamed_value(fields[name], value)
                text = f"{setting}={value} is now {setting}={new}" if new else ""
                self.problems.append(text or _describe_mismatch(setting, value, mismatch, help_of(fields[name])))
        self.problems += [f"{_join(path, name)}: is required" for name in required if name not in values]
        if self.source == "python" or any(name not in given for name in required):
            return None
        try:
            return cls(**given)
        except (TypeError, ValueError) as error:
            first = re.match(r"\w+", str(error))
            is_named = path and first is not None and first[0] in fields
            self.problems.append(f"{path}.{error}" if is_named else f"{path or cls.__name__}: {error}")
            return None if required else cls()

    def convert_value(self, value: Any, kind: Any, path: str) -> Any:
        """Return a value as its type; raises _Mismatch where the type does not allow it."""
        if kind is Any or _is_exact(value, kind):
            return value
        if isinstance(kind, type):
            convert_one = self.convert_dataclass if dataclasses.is_dataclass(kind) else self.convert_scalar
            return convert_one(value, kind, path)
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated:
            converted = self.convert_value(value, args[0], path)
            for limit in args[1:]:
                if isinstance(limit, Limit) and not limit.allows(converted):
                    raise _Mismatch(str(limit), value)
            return converted
        if origin in (Union, types.UnionType):
            return self.convert_union(value, args, path)
        if origin is Literal:
            is_listed = any(value == arg and type(value) is type(arg) for arg in args)
            if is_listed or (self.any_name and isinstance(value, str)):
                return value
            raise _Mismatch(_one_of(args), value, hint=_did_you_mean(value, args))
        if origin is not None and issubclass(origin, Mapping):
            if not isinstance(value, Mapping):
                raise _Mismatch(SETTINGS_BY_NAME, value)
            return {str(name): self.convert_entry(str(name), item, args[1], path) for name, item in value.items()}
        if origin is not None and issubclass(origin, (Sequence, AbstractSet)):
            return self.convert_list(value, origin, args, path)
        return self.convert_scalar(value, origin or kind, path)

    def convert_dataclass(self, value: Any, kind: type[Any], path: str) -> Any:
        if isinstance(value, kind):
            if self.source == "python":
                own = {name: getattr(value, name) for name in self.describe_fields(type(value))[0]}
                self.convert_fields(own, type(value), path)
            return value
        if self.source == "python" or not isinstance(value, Mapping):
            raise _Mismatch(kind.__name__ if self.source == "python" else SETTINGS_BY_NAME, value)
        return self.convert_fields(value, kind, path)

    def convert_entry(self, name: str, value: Any, kind: Any, path: str) -> Any:
        try:
            return self.convert_value(value, kind, _join(path, name))
        except _Mismatch as mismatch:
            entry = mismatch.entry if mismatch.below else value
            below = (_write_name(name), *mismatch.below)
            raise _Mismatch(mismatch.required, mismatch.value, hint=mismatch.hint, below=below, entry=entry) from None

    def convert_union(self, value: Any, kinds: Sequence[Any], path: str) -> Any:
        for kind in kinds:
            if type(value) is kind or (get_origin(kind) is Annotated and type(value) is get_args(kind)[0]):
                return self.convert_value(value, kind, path)
        mismatches: dict[Any, _Mismatch] = {}
        for kind in sorted(kinds, key=lambda k: _without_range(k) is float):  # an int for int | float stays an int
            try:
                return self.convert_value(value, kind, path)
            except _Mismatch as mismatch:
                mismatches[kind] = mismatch
        mismatches.pop(type(None), None)  # null helps no user who set a value
        found = list(mismatches.values())
        inner = [one for one in found if one.below or one.value is not value]  # one type fits all but an entry
        if inner or len(found) == 1:
            raise (inner or found)[0]
        hint = next((one.hint for one in found if one.hint), "")
        raise _Mismatch(", or ".join(one.required for one in found), value, hint=hint)

    def convert_list(self, value: Any, origin: type[Any], args: tuple[Any, ...], path: str) -> Any:
        is_set = issubclass(origin, AbstractSet)
        is_any_length = origin is not tuple or (len(args) == 2 and args[1] is Ellipsis)
        if not isinstance(value, (list, tuple)) and not (is_set and isinstance(value, (set, frozenset))):
            hint = f"Write [{value}]" if isinstance(value, (str, int, float)) and is_any_length else ""
            raise _Mismatch("a list", value, hint=hint)
        if not is_any_length and len(value) != len(args):
            raise _Mismatch(f"a list of {len(args)} values", value)
        kinds = itertools.repeat(args[0]) if is_any_length else args
        items = (
            self.convert_value(v, kind, f"{path}[{n}]") for n, (v, kind) in enumerate(zip(value, kinds, strict=False))
        )
        return frozenset(items) if is_set else tuple(items)

    def convert_scalar(self, value: Any, kind: Any, path: str) -> Any:
        given = value
        if (kind is None or kind is type(None)) and value is None:
            return None
        if self.source == "text":
            value = _parse(value, kind)
        if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            if not -math.inf < value < math.inf or abs(value) > sys.float_info.max:  # a whole number may be larger
                raise _Mismatch("a finite number", given)
            return float(value)
        if kind is Path and isinstance(value, (str, Path)) and self.source != "python":
            return _expand_home(value)
        if isinstance(kind, type) and issubclass(kind, Enum) and isinstance(value, str) and self.source != "python":
            if value in kind.__members__:
                return kind[value]
            raise _Mismatch(_one_of(kind.__members__), given, hint=_did_you_mean(value, list(kind.__members__)))
        if isinstance(kind, TypeVar):
            return value
        if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        raise _Mismatch(TYPE_NAMES.get(kind or type(None), getattr(kind, "__name__", str(kind))), given)


def _is_exact(value: Any, kind: Any) -> bool:
    """Return whether a value has a simple type that allows it as it is."""
    return type(value) is kind and (
        kind is str or kind is int or kind is bool or (kind is float and math.isfinite(value))
    )


def _without_range(kind: Any) -> Any:
    """Return a type without its range."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _join(path: str, name: object) -> str:
    return f"{path}.{_write_name(name)}" if path else _write_name(name)


def list_required(cls: type[Any]) -> list[str]:
    """List the fields of a dataclass that have no default."""
    missing = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(cls) if f.default is missing and f.default_factory is missing]


@cache
def _describe_fields(cls: type[Any], *, skip_unknown: bool) -> _Fields:
    """Describe a dataclass once, because types are resolved slowly and a study converts many settings of one class.

    skip_unknown: replace types that are imported for type checkers only, as specs do with modules of torch, by Any.
    """
    unknown: dict[str, Any] = {}
    while True:
        try:
            hints = typing.get_type_hints(cls, localns=unknown or None, include_extras=True)
            return {f.name: f for f in dataclasses.fields(cls)}, hints, list_required(cls)
        except NameError as error:
            if not skip_unknown or not error.name or error.name in unknown:
                raise
            unknown[error.name] = Any


def _describe_mismatch(setting: str, value: Any, mismatch: _Mismatch, help_text: str) -> str:
    """Describe a wrong value in one line: the setting as written, what it must be, its help and a hint."""
    written = mismatch.entry if mismatch.below else value
    item = "" if mismatch.value is written else f"{_as_written(mismatch.value)} "
    text = f"{'.'.join((setting, *mismatch.below))}={_as_written(written)}: {item}must be {mismatch.required}"
    if help_text:
        first = help_text[:1].lower() if help_text[1:2].islower() or help_text[1:2] == " " else help_text[:1]
        text += f" ({first}{help_text[1:].removesuffix('.')})"
    return f"{text}. {mismatch.hint}" if mismatch.hint else text


def to_plain(value: Any) -> Any:
    """Return a value as JSON and YAML can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, frozenset, set)):
        return [to_plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, Path) else value


def _expand_home(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        required = f"a path, but {user!r} is not the home folder of a known user"
        raise _Mismatch(required, path, hint="Write the path in full") from None


def _parse(value: Any, kind: Any) -> Any:
    """Return the number, truth value or text that a typed value writes; the value itself where it writes none."""
    if kind in (str, Path) and isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if (
        not isinstance(value, str) or kind not in (int, float, bool) or parse_scalar(value) != value
    ):  # quoted: stays text
        return value
    if kind is bool:
        return TRUTH_WORDS.get(value.lower(), value)
    pattern, number = (WHOLE_NUMBER, int) if kind is int else (NUMBER, float)
    return number(value) if pattern.fullmatch(value) else value


def _as_written(value: Any) -> str:
    """Return a value as a user writes it in a request, shortened to 60 characters."""
    return f"{_write(to_plain(value)):.60}"


def _write(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(_write, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_write_name(name)}: {_write(item)}" for name, item in value.items()) + "}"
    is_unquoted = isinstance(value, str) and PLAIN_TEXT.fullmatch(value) and parse_scalar(value) == value
    return str(value) if is_unquoted else repr(value)


def _write_name(name: object) -> str:
    """Return a name for a message in one line, shortened: files of strangers may hold any text as a name."""
    text = f"{name!s:.60}"
    return text if text.isprintable() else repr(text)[1:-1]


def _one_of(values: Iterable[Any]) -> str:
    names = [repr(value) for value in values]
    return f"one of {', '.join(names)}" if len(names) > 1 else names[0]


def _did_you_mean(value: Any, known: Sequence[Any]) -> str:
    close = difflib.get_close_matches(str(value), [str(one) for one in known], n=1)
    return f"Did you mean {close[0]!r}?" if close else ""


def _suggest(name: str, known: Mapping[str, Any], path: str) -> str:
    """Suggest the setting that was meant, and list all that exist."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f" Did you mean '{path}.{close[0]}'?" if close and path else f" Did you mean {close[0]!r}?" if close else ""
    return f".{hint} Available: {', '.join(known)}" if known else "; there are none here"
