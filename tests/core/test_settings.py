"""Durations, and where each value comes from."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.core.errors import SetupError
from dwctl.core.settings import Duration, load


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group."""

    wait: Duration = Duration(30)
    names: tuple[str, ...] = ()


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The root."""

    port: int = 1
    title: str | None = None
    on: bool = False
    inner: Inner = Inner()


def read(environ: dict[str, str], **flags: object) -> Outer:
    return load(Outer, file=None, environ=environ, overrides=flags)[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (1.5, 1.5), ("500ms", 0.5), ("30s", 30), ("1h30m", 5400), ("7d", 604800), (" 2 m ", 120)],
)
def test_durations(text: object, seconds: float) -> None:
    assert float(Duration.parse(text)) == float(seconds)


@pytest.mark.parametrize("text", ["", "soon", "3 weeks", "-1", "1s1", True, "1e3s"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        Duration.parse(text)


@given(st.integers(0, 10**9))
def test_whole_seconds_survive(seconds: int) -> None:
    assert float(Duration.parse(f"{seconds}s")) == float(Duration.parse(str(seconds))) == float(seconds)


def test_texts_become_what_the_field_is() -> None:
    given = {"DWCTL_PORT": "7", "DWCTL_ON": "true", "DWCTL_INNER__WAIT": "2m", "DWCTL_INNER__NAMES": '["a"]'}
    assert read(given) == Outer(port=7, on=True, inner=Inner(Duration(120), ("a",)))


def test_an_empty_variable_is_unset_where_nothing_is_allowed_and_an_error_elsewhere() -> None:
    assert read({"DWCTL_TITLE": ""}).title is None
    with pytest.raises(SetupError, match="port: expected `int`"):
        read({"DWCTL_PORT": ""})


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    assert read({"DWCTL_PORT": "7"}, port=None).port == 7
    assert read({"DWCTL_PORT": "7"}, port=9).port == 9


def test_other_variables_are_none_of_ours() -> None:
    assert read({"DWCTLX": "1", "PORT": "9", "DWCTL_CONFIG": "x.yaml"}) == Outer()


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SetupError, match=r"x\.yaml cannot be read"):
        load(Outer, file=file, environ={})


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("DWCTL_PORT", "many", "port: expected `int`, got `str` (from DWCTL_PORT)"),
        ("DWCTL_ON", "perhaps", "on: expected `bool`, got `str` (from DWCTL_ON)"),
        ("DWCTL_INNER__WAIT", "soon", "inner.wait: expected a duration such as 30s, 500ms or 24h"),
        (
            "DWCTL_INNER__NAMES",
            "a,b",
            'expected `array`, got `str`; a list is written as JSON, such as ["one", "two"] (from DWCTL_INNER_',
        ),
        ("DWCTL_INNER__NAMES", "[1]", "inner.names[0]: expected `str`, got `int` (from DWCTL_INNER__NAMES)"),
        ("DWCTL_INNER", "x", "inner: expected `object`, got `str` (from DWCTL_INNER)"),
        ("DWCTL_INNER", '{"names": 5}', "inner.names: expected `array`, got `int` (from DWCTL_INNER)"),
        ("DWCTL_PROT", "1", "DWCTL_PROT: unknown key prot; did you mean port?"),
        ("DWCTL_INNER__WIAT", "1", "DWCTL_INNER__WIAT: unknown key inner.wiat; did you mean inner.wait?"),
    ],
)
def test_a_wrong_variable_is_named_with_what_was_expected(variable: str, value: str, told: str) -> None:
    with pytest.raises(SetupError) as caught:
        read({variable: value})
    assert told in caught.value.message
    assert variable in caught.value.message


def test_a_wrong_flag_is_not_blamed_on_the_variable_that_it_replaces() -> None:
    with pytest.raises(SetupError) as caught:
        read({"DWCTL_PORT": "7"}, port="many")
    assert "DWCTL_PORT" not in caught.value.message


@pytest.mark.parametrize("text", ["[brackets]", "[1]", '{"a": 1}', "12345678", "true", "null", " spaces "])
def test_a_text_is_taken_as_it_is(text: str) -> None:
    assert read({"DWCTL_TITLE": text}).title == text


def test_a_group_as_json_and_a_member_of_it() -> None:
    given = {"DWCTL_INNER": '{"wait": "2m", "names": ["a"]}', "DWCTL_INNER__WAIT": "3m"}
    assert read(given).inner == Inner(Duration(180), ("a",))
