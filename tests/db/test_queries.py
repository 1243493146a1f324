"""Every statement of every `queries.sql` is understood by the migrated schema, and gives what its reader expects."""

import importlib
import re
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest

import dwctl
from dwctl.db.postgres import Database
from dwctl.db.queries import Queries, QueryFileError

SOURCE = Path(dwctl.__file__).parent
PACKAGES = [
    ".".join(("dwctl", *path.parent.relative_to(SOURCE).parts))
    for path in sorted(SOURCE.rglob("queries.sql"))
]
PYTHON: dict[str, tuple[type, ...]] = {
    "uuid": (UUID,),
    "text": (str,),
    "bool": (bool,),
    "int2": (int,),
    "int4": (int,),
    "int8": (int,),
    "float4": (float,),
    "float8": (float,),
    "numeric": (Decimal,),
    "bytea": (bytes,),
    "timestamptz": (datetime,),
    "date": (date,),
    "jsonb": (dict, list, object),
    "text[]": (list,),
    "uuid[]": (list,),
    "cidr[]": (list,),
}
"""What asyncpg makes of a PostgreSQL type."""
_READ = re.compile(r'row\["(\w+)"\]')


def test_there_are_statements_to_look_at() -> None:
    assert "dwctl.requests" in PACKAGES
    assert "dwctl.control.groups" in PACKAGES


async def columns(database: Database, sql: str) -> dict[str, str]:
    """Name and type of each column that a statement gives; raises when the schema does not understand it."""
    async with database.acquire() as connection:
        statement = await connection.prepare(sql)
        return {attribute.name: attribute.type.name for attribute in statement.get_attributes()}


@pytest.mark.parametrize("package", PACKAGES)
async def test_statements_fit_the_schema_and_their_rows(database: Database, package: str) -> None:
    queries = Queries.load(package)
    given: set[str] = set()
    for name in queries.names():
        try:
            found = await columns(database, queries[name])
        except asyncpg.PostgresError as error:
            raise AssertionError(f"{package}: {name}: {error}") from error
        given |= set(found)
        if name in queries.rows:
            compare(found, queries.rows[name], f"{package}: {name}")
    path = SOURCE / Path(*package.split(".")[1:]) / "store.py"
    store = path.read_text(encoding="utf-8") if path.exists() else ""
    assert set(_READ.findall(store)) <= given, f"{package}/store.py reads columns that no statement gives"


def compare(found: dict[str, str], place: str, name: str) -> None:
    """The columns of a statement against the fields of the Struct that its rows become."""
    module, _, struct = place.partition(":")
    fields = {
        field.name: field.type
        for field in msgspec.structs.fields(getattr(importlib.import_module(module), struct))
    }
    assert list(found) == list(fields), f"{name}: other columns than the fields of {struct}"
    for column, kind in found.items():
        wanted = {option for option in options(fields[column]) if option is not types.NoneType}
        assert wanted & set(PYTHON[kind]), f"{name}: {column} is {kind}, and {struct} has {fields[column]}"


def options(annotation: object) -> set[object]:
    """The plain classes of an annotation such as `str | None`."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return {option for part in typing.get_args(annotation) for option in options(part)}
    return {typing.get_origin(annotation) or annotation}


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(QueryFileError, match="the name a stands there twice"):
        Queries("some.package", "-- name: a\nselect 1;\n-- name: a\nselect 2;\n")


def test_text_before_the_first_name_is_refused() -> None:
    with pytest.raises(QueryFileError, match="text before the first"):
        Queries("some.package", "select 1;\n-- name: a\nselect 2;\n")


def test_a_part_stands_wherever_it_is_named() -> None:
    text = """-- part: live
-- What is there.
deleted_at is null

-- name: some
select id from a where {{live}};

-- name: all
-- Of both.
select id from a where {{live}} union select id from b where {{live}};
"""
    queries = Queries("some.package", text)
    assert queries.names() == ["some", "all"]
    assert queries["some"] == "select id from a where deleted_at is null"
    assert queries["all"].count("where deleted_at is null") == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("-- name: a\nselect {{b}};\n", "a: there is no part b"),
        ("-- part: b\n1\n\n-- name: a\nselect 1;\n", "nothing names the part b"),
        ("-- part: a\n1\n\n-- name: a\nselect {{a}};\n", "the name a stands there twice"),
    ],
)
def test_a_part_that_is_not_there_is_refused(text: str, fault: str) -> None:
    with pytest.raises(QueryFileError, match=fault):
        Queries("some.package", text)
