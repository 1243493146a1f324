"""SQL in files: named statements in a `queries.sql` beside the `store.py` that runs them.

```
-- name: get_group
-- One group by its id.
-- row: dwctl.control.groups.store:GroupRow
select …
```

`-- name:` starts a statement; the comment lines after it describe it; `-- row:` names the msgspec Struct that
its columns become, which a test compares with the migrated schema.
"""

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)$", re.MULTILINE)
_ROW = re.compile(r"^-- row: (?P<row>[\w.]+:\w+)$", re.MULTILINE)


class QueryFileError(Exception):
    """A `queries.sql` that cannot be used: a name twice, or text before the first name."""


class Queries:
    """The statements of one package by name."""

    def __init__(self, package: str, text: str) -> None:
        self.package = package
        self._statements: dict[str, str] = {}
        self.rows: dict[str, str] = {}
        """Row Struct by name of the statement, as `module:Struct`."""
        parts = _NAME.split(text)
        if parts[0].strip():
            raise QueryFileError(f"{package}/queries.sql: text before the first '-- name:'")
        for name, body in zip(parts[1::2], parts[2::2], strict=True):
            if name in self._statements:
                raise QueryFileError(f"{package}/queries.sql: the name {name} stands there twice")
            if found := _ROW.search(body):
                self.rows[name] = found["row"]
            self._statements[name] = body.strip().removesuffix(";")

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
