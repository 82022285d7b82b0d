"""Convert plain mappings into frozen typed dataclasses, strictly, and back.

OmegaConf's own conversion turns tuples into lists, accepts nan and three values for a pair, refuses Literal and stops at
the first error. This one checks types and the ranges stated with them, and reports all problems at once.

Text is kept as it was typed: a text setting takes the number 2024 as '2024', and a number setting takes '010' as 10, which
YAML 1.1 reads as 8 (see `yaml_values`). A quoted number stays text.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from sslbench.api.ranges import Limit
from sslbench.api.settings import help_of
from sslbench.old_names import find_new_path, find_new_value
from sslbench.yaml_values import NUMBER, parse_scalar

SETTINGS_BY_NAME = "settings by name"
WHOLE_NUMBER = re.compile(r"[-+]?[0-9]+")
PLAIN_TEXT = re.compile(r"[\w./~+-]+")
TRUTH_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""Words of YAML 1.1 for a setting that is true or false; for any other setting they are names."""
TYPE_NAMES: Mapping[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path", type(None): "null",
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


def convert(values: object, cls: type[Any], path: str, problems: list[str]) -> Any:
    """Convert a mapping of names to values into a dataclass.

    Every problem is added to `problems` as one line; the setting then keeps its default.
    """
    hints = _type_hints(cls)  # type: ignore[arg-type]  # a class is hashable
    fields = {f.name: f for f in dataclasses.fields(cls)}
    given: dict[str, Any] = {}
    if not isinstance(values, Mapping):
        lead = f"{path}=" if path else ""
        problems.append(f"{lead}{_as_written(values)}: must be {SETTINGS_BY_NAME}")
        return cls()
    for name, value in values.items():
        setting = f"{path}.{name}" if path else str(name)
        if name not in fields:
            new = find_new_path(setting)
            is_renamed = new.rpartition(".")[2] in fields  # another component may have had a setting of this name
            unknown = f"{setting}: no such setting{_suggest(str(name), fields, path)}"
            problems.append(f"{setting} is now {new}" if is_renamed else unknown)
            continue
        if dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping):
            given[name] = convert(value, typing.cast(type[Any], hints[name]), setting, problems)
            continue
        try:
            given[name] = _convert_value(value, hints[name])
        except _Mismatch as mismatch:
            problems.append(_describe_mismatch(setting, value, mismatch, help_of(fields[name])))
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


def _describe_mismatch(setting: str, value: Any, mismatch: _Mismatch, help_text: str) -> str:
    """Describe a wrong value in one line: the setting as written, what it must be, its help and a hint."""
    if isinstance(value, str) and (new := find_new_value(setting, value)):
        return f"{setting}={value} is now {setting}={new}"
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


def list_path_settings(cls: type[Any]) -> list[str]:
    """List the settings of a dataclass whose type is a file or folder, alone or among others."""
    return [name for name, kind in typing.get_type_hints(cls).items() if _holds_path(kind)]


def list_text_path_settings(cls: type[Any]) -> list[str]:
    """List the settings of a dataclass that are text and may be a path: those with `names_file` in their metadata."""
    return [field.name for field in dataclasses.fields(cls) if field.metadata.get("names_file")]


def _holds_path(kind: Any) -> bool:
    return kind is Path or any(_holds_path(one) for one in get_args(kind))


def to_key_form(value: Any) -> Any:
    """Return a value as it enters a key: a file by its content's digest, without the fields that change no number."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f for f in dataclasses.fields(value) if f.metadata.get("identity", True)]
        return {f.name: to_key_form(getattr(value, f.name)) for f in fields}
    if isinstance(value, Mapping):
        return {str(name): to_key_form(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_key_form(item) for item in value]
    if isinstance(value, Path):
        return hashlib.blake2b(value.read_bytes()).hexdigest() if value.is_file() else str(value)
    return to_plain(value)


def _convert_value(value: Any, kind: Any) -> Any:
    """Return a value as its type; raises _Mismatch where the type does not allow it."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Annotated:
        converted = _convert_value(value, args[0])
        for limit in args[1:]:
            if isinstance(limit, Limit) and not limit.allows(converted):
                raise _Mismatch(str(limit), value)
        return converted
    if origin in (Union, types.UnionType):
        return _convert_union(value, args)
    if origin is Literal:
        if any(value == arg and type(value) is type(arg) for arg in args):
            return value
        raise _Mismatch(_one_of(args), value, hint=_did_you_mean(value, args))
    if origin is tuple:
        return _convert_tuple(value, args)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _Mismatch(SETTINGS_BY_NAME, value)
        return {str(name): _convert_entry(str(name), item, args[1]) for name, item in value.items()}
    return _convert_scalar(value, kind)


def _convert_entry(name: str, value: Any, kind: Any) -> Any:
    try:
        return _convert_value(value, kind)
    except _Mismatch as mismatch:
        entry = mismatch.entry if mismatch.below else value
        below = (name, *mismatch.below)
        raise _Mismatch(mismatch.required, mismatch.value, hint=mismatch.hint, below=below, entry=entry) from None


def _convert_union(value: Any, kinds: Sequence[Any]) -> Any:
    for kind in [kind for kind in kinds if type(value) is _without_range(kind)]:
        return _convert_value(value, kind)
    mismatches: dict[Any, _Mismatch] = {}
    for kind in sorted(kinds, key=lambda k: _without_range(k) is float):  # an int given for int | float stays an int
        try:
            return _convert_value(value, kind)
        except _Mismatch as mismatch:
            mismatches[kind] = mismatch
    mismatches.pop(type(None), None)  # null helps no user who set a value
    found = list(mismatches.values())
    inner = [one for one in found if one.below or one.value is not value]  # one type fits all but an entry
    if inner or len(found) == 1:
        raise (inner or found)[0]
    hint = next((one.hint for one in found if one.hint), "")
    raise _Mismatch(", or ".join(one.required for one in found), value, hint=hint)


def _without_range(kind: Any) -> Any:
    """Return a type without its range."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _convert_tuple(value: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    is_any_length = len(args) == 2 and args[1] is Ellipsis
    if not isinstance(value, (list, tuple)):
        hint = f"Write [{value}]" if isinstance(value, (str, int, float)) and is_any_length else ""
        raise _Mismatch("a list", value, hint=hint)
    if is_any_length:
        return tuple(_convert_value(item, args[0]) for item in value)
    if len(value) != len(args):
        raise _Mismatch(f"a list of {len(args)} values", value)
    return tuple(_convert_value(item, kind) for item, kind in zip(value, args, strict=True))


def _convert_scalar(value: Any, kind: Any) -> Any:
    given = value
    if (kind is None or kind is type(None)) and value is None:
        return None
    if isinstance(value, str) and kind in (int, float, bool):
        value = _parse(value, kind)
    elif kind in (str, Path) and isinstance(value, (bool, int, float)):
        value = str(value).lower() if isinstance(value, bool) else str(value)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise _Mismatch("a finite number", given)
        return float(value)
    if kind is Path and isinstance(value, (str, Path)):
        try:
            return Path(value).expanduser()
        except RuntimeError:
            user = Path(value).parts[0]
            required = f"a path, but {user!r} is not the home folder of a known user"
            raise _Mismatch(required, given, hint="Write the path in full") from None
    if isinstance(kind, type) and issubclass(kind, Enum) and isinstance(value, str):
        if value in kind.__members__:
            return kind[value]
        raise _Mismatch(_one_of(kind.__members__), given, hint=_did_you_mean(value, list(kind.__members__)))
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    required = SETTINGS_BY_NAME if dataclasses.is_dataclass(kind) else getattr(kind, "__name__", str(kind))
    raise _Mismatch(TYPE_NAMES.get(kind or type(None), required), given)


def _parse(text: str, kind: type[Any]) -> Any:
    """Return the number or truth value that a text writes; the text itself where it writes none, or was quoted."""
    if parse_scalar(text) != text:
        return text
    if kind is bool:
        return TRUTH_WORDS.get(text.lower(), text)
    pattern, number = (WHOLE_NUMBER, int) if kind is int else (NUMBER, float)
    return number(text) if pattern.fullmatch(text) else text


def _as_written(value: Any) -> str:
    """Return a value as a user writes it in a request, shortened to 60 characters."""
    return f"{_write(to_plain(value)):.60}"


def _write(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(_write, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_write(item)}" for name, item in value.items()) + "}"
    is_unquoted = isinstance(value, str) and PLAIN_TEXT.fullmatch(value) and parse_scalar(value) == value
    return str(value) if is_unquoted else repr(value)


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
