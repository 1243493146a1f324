"""Settings: frozen Structs, filled from a YAML file, then the environment, then flags; later wins.

The environment's names are `DWCTL_` and the key in capitals, nested ones with two underscores
(`DWCTL_AUTH__NATIVE__ENABLED=false`), lists and objects as JSON. `DATABASE_URL` is `database.url`.
An unknown key is an error that names it and the nearest known one; a value of the wrong type names the key
and what was expected (spec/platform §10).
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

from dwctl.core.errors import SetupError

PREFIX = "DWCTL_"
NOT_KEYS = frozenset({"CONFIG"})
"""Variables with our prefix that are not keys: they say where the settings are."""
WHOLE_NAMES = {"DATABASE_URL": "database.url", "DATABASE_REPLICA_URL": "database.replica_url"}

_JSON_HINT = """; a list is written as JSON, such as ["one", "two"]"""

T = TypeVar("T", bound=msgspec.Struct)
Tree = dict[str, Any]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Duration(float):
    """Seconds; written as `90`, `1.5`, `500ms`, `30s`, `1h30m`, `7d`."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """From what YAML or the environment gives; raises ValueError."""
        if isinstance(value, bool):
            raise ValueError("expected a duration such as 30s or 24h")
        if isinstance(value, int | float):
            if not 0 <= value < float("inf"):
                raise ValueError(f"expected a duration such as 30s, 500ms or 24h, not {value!r}")
            return cls(value)
        text = str(value).strip().replace(" ", "")
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return cls(float(text))
        if not re.fullmatch(f"(?:{_DURATION.pattern})+", text):
            raise ValueError(f"expected a duration such as 30s, 500ms or 24h, not {value!r}")
        return cls(sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text)))


def environment() -> dict[str, str]:
    """The process's environment: read here and nowhere else."""
    return dict(os.environ)


def load(
    cls: type[T],
    *,
    file: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    accepted: Sequence[str] = (),
) -> tuple[T, tuple[str, ...]]:
    """The settings, and the accepted keys that were set.

    `overrides` are flags by dotted key; `accepted` are dotted patterns of keys that are let through unread.
    """
    tree = read_file(file) if file is not None else {}
    source = str(file)
    ignored = [*_check(cls, tree, source, accepted)]
    variables: dict[str, str] = {}
    for name, path, value in _of_environment(cls, environ):
        ignored += _check(cls, _nest(path, value), name, accepted)
        _put(tree, path, value)
        variables[path] = name
    for path, given in (overrides or {}).items():
        if given is not None:
            _put(tree, path, given)
            variables.pop(path, None)
    _drop_ignored(tree, ignored)
    try:
        settings = msgspec.convert(tree, cls, strict=False, dec_hook=_dec_hook)
    except msgspec.ValidationError as error:
        raise SetupError(f"configuration: {_named(error, variables)}") from error
    return settings, tuple(sorted(set(ignored)))


def packed(settings: msgspec.Struct) -> bytes:
    """Settings for another process of ours; secrets are in it."""
    return msgspec.json.encode(settings, enc_hook=float)


def unpacked(data: bytes, cls: type[T]) -> T:
    """Settings from another process of ours."""
    return msgspec.json.decode(data, type=cls, dec_hook=_dec_hook)


def read_file(file: Path) -> Tree:
    """The mapping in a YAML file; an empty file is an empty mapping."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SetupError(f"the configuration file {file} is not there; check -f or DWCTL_CONFIG") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"the configuration file {file} cannot be read: {error}") from error
    try:
        tree = _Loader(text).get_single_data()
    except RecursionError as error:
        raise SetupError(f"{file}: nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SetupError(f"{file}{where}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise SetupError(f"{file}: not YAML: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise SetupError(f"{file}: expected keys and values, such as `port: 3001`")
    return tree


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: which one would hold is a guess."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value} stands here twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _of_environment(
    cls: type[msgspec.Struct], environ: Mapping[str, str]
) -> Iterator[tuple[str, str, object]]:
    """(variable, dotted key, value) of every variable that is a setting, whole names last."""
    for name in sorted(environ):
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in NOT_KEYS:
            continue
        path = rest.lower().replace("__", ".")
        if environ[name] == "" and _is_optional(cls, path):
            continue
        yield name, path, environ[name] if _is_text(cls, path) else _parsed(environ[name])
    for name, path in WHOLE_NAMES.items():
        if environ.get(name):
            yield name, path, environ[name]


def _parsed(text: str) -> object:
    """Lists and objects are JSON; everything else stays text and is converted by its field's type."""
    if text.startswith(("[", "{")):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _check(
    cls: type[msgspec.Struct], tree: Tree, source: str, accepted: Sequence[str], at: str = ""
) -> Iterator[str]:
    """Refuse unknown keys; yield those that are accepted unread."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(cls)}
    for key, value in tree.items():
        path = f"{at}{key}"
        if _accepted(path, value, accepted):
            yield path
        elif key not in fields:
            if any(pattern == f"{path}.*" for pattern in accepted):
                raise SetupError(f"{source}: {path}: expected keys and values below it")
            known = [*(f"{at}{name}" for name in fields), *(p.removesuffix(".*") for p in accepted)]
            near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(sorted(fields))}"
            raise SetupError(f"{source}: unknown key {path}{hint}")
        elif isinstance(value, dict) and (inner := _struct_in(fields[key])) is not None:
            yield from _check(inner, value, source, accepted, f"{path}.")


def _accepted(path: str, value: object, accepted: Sequence[str]) -> bool:
    for pattern in accepted:
        if pattern == path:
            return True
        if pattern.endswith(".*") and (
            path.startswith(pattern[:-1]) or (path == pattern[:-2] and isinstance(value, dict | None))
        ):
            return True
    return False


def _drop_ignored(tree: Tree, ignored: Sequence[str]) -> None:
    for path in ignored:
        node: Any = tree
        *parents, last = path.split(".")
        for part in parents:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)


def _struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The Struct of a field's type, also inside of `| None` and `Annotated`."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    if get_origin(annotation) in (Union, UnionType, Annotated):
        for inner in get_args(annotation):
            if (found := _struct_in(inner)) is not None:
                return found
    return None


def _is_optional(cls: type[msgspec.Struct], path: str) -> bool:
    """Whether an empty variable counts as unset: where the field may be None."""
    return type(None) in get_args(_type_at(cls, path))


def _is_text(cls: type[msgspec.Struct], path: str) -> bool:
    """Whether a value is taken as it is: a password may begin with a bracket."""
    kind = _type_at(cls, path)
    return str in (get_args(kind) or (kind,)) and get_origin(kind) in (None, Union, UnionType)


def _type_at(cls: type[msgspec.Struct], path: str) -> Any:
    """The annotation of the field at a dotted path; None where there is none."""
    current: type[msgspec.Struct] | None = cls
    annotation: Any = None
    for part in path.split("."):
        if current is None:
            return None
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(current)}
        annotation = fields.get(part)
        current = _struct_in(annotation)
    return annotation


def _nest(path: str, value: object) -> Tree:
    for part in reversed(path.split(".")):
        value = {part: value}
    return value if isinstance(value, dict) else {}


def _put(tree: Tree, path: str, value: object) -> None:
    *parents, last = path.split(".")
    for part in parents:
        below = tree.get(part)
        if not isinstance(below, dict):
            below = tree[part] = {}
        tree = below
    tree[last] = value


def _dec_hook(kind: type, value: object) -> object:
    if kind is Duration:
        return Duration.parse(value)
    raise NotImplementedError(f"settings of type {kind}")


def _named(error: msgspec.ValidationError, variables: Mapping[str, str]) -> str:
    """msgspec says "Expected `int`, got `str` - at `$.port`"; we name the key first, and the variable it came from."""
    text, _, at = str(error).partition(" - at `$.")
    if not at:
        return text
    path = at.rstrip("`")
    place = path.partition("[")[0]
    hint = _JSON_HINT if place in variables and text.startswith("Expected `array`") else ""
    while place and place not in variables:
        place = place.rpartition(".")[0]
    origin = f" (from {variables[place]})" if place else ""
    return f"{path}: {text[:1].lower()}{text[1:]}{hint}{origin}"
