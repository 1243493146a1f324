"""SQL in files: named statements in a `queries.sql` beside the `store.py` that runs them.

```
-- name: get_group
-- One group by its id.
-- row: dwctl.control.groups.store:GroupRow
select …
```

`-- name:` starts a statement; the comment lines after it describe it; `-- row:` names the msgspec Struct that
its columns become, which a test compares with the migrated schema.

What several statements of a file say alike stands once, as a part, and is put in where they name it. The planner sees
whole statements: a part costs nothing.

```
-- part: visible
-- What everybody may see.
deleted_at is null and not hidden

-- name: list_groups
select … where {{visible}} order by …
```
"""

import re
from importlib import resources

_NAME = re.compile(r"^-- (?P<kind>name|part): (?P<name>[a-z][a-z0-9_]*)$", re.MULTILINE)
_PART = re.compile(r"\{\{(?P<part>[a-z][a-z0-9_]*)\}\}")
_COMMENTS = re.compile(r"\A(?:--[^\n]*\n|\s)+")
_ROW = re.compile(r"^-- row: (?P<row>[\w.]+:\w+)$", re.MULTILINE)


class QueryFileError(Exception):
    """A `queries.sql` that cannot be used: a name twice, text before the first name, or a part that is not there."""


class Queries:
    """The statements of one package by name."""

    def __init__(self, package: str, text: str) -> None:
        self.package = package
        self._statements: dict[str, str] = {}
        self.rows: dict[str, str] = {}
        """Row Struct by name of the statement, as `module:Struct`."""
        sections = _NAME.split(text)
        if sections[0].strip():
            raise QueryFileError(f"{package}/queries.sql: text before the first '-- name:'")
        parts: dict[str, str] = {}
        for kind, name, body in zip(sections[1::3], sections[2::3], sections[3::3], strict=True):
            if name in self._statements or name in parts:
                raise QueryFileError(f"{package}/queries.sql: the name {name} stands there twice")
            if kind == "part":
                parts[name] = _COMMENTS.sub("", body).strip()
                continue
            if found := _ROW.search(body):
                self.rows[name] = found["row"]
            self._statements[name] = body.strip().removesuffix(";")
        self._put_in(parts)

    def _put_in(self, parts: dict[str, str]) -> None:
        used: set[str] = set()
        for name, statement in self._statements.items():
            wanted = set(_PART.findall(statement))
            if unknown := sorted(wanted - parts.keys()):
                raise QueryFileError(f"{self.package}/queries.sql: {name}: there is no part {unknown[0]}")
            used |= wanted
            self._statements[name] = _PART.sub(lambda found: parts[found["part"]], statement)
        if unused := sorted(parts.keys() - used):
            raise QueryFileError(f"{self.package}/queries.sql: nothing names the part {unused[0]}")

    @classmethod
    def load(cls, package: str) -> "Queries":
        """Read `queries.sql` of a package."""
        text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
        return cls(package, text)

    def __getitem__(self, name: str) -> str:
        return self._statements[name]

    def names(self) -> list[str]:
        """All names, in the order of the file."""
        return list(self._statements)
