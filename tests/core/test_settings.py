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
