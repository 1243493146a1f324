"""Pages by offset: bounds, and words of query parameters."""

import pytest

from dwctl.core.errors import BadRequest
from dwctl.web.paging import MAX_LIMIT, Window, csv, window, words


@pytest.mark.parametrize(
    ("skip", "limit", "expected"),
    [
        (0, 10, Window(0, 10)),
        (-1, 10, Window(0, 10)),
        (7, 0, Window(7, 1)),
        (7, -20, Window(7, 1)),
        (0, 101, Window(0, MAX_LIMIT)),
        (0, 102, Window(0, MAX_LIMIT)),
        (10**40, 10**40, Window(2**62, MAX_LIMIT)),
        (-(10**40), -(10**40), Window(0, 1)),
    ],
)
def test_bounds(skip: int, limit: int, expected: Window) -> None:
    assert window(skip, limit) == expected


def test_a_page_is_ten_rows_unless_asked_otherwise() -> None:
    assert window() == Window(0, 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, set()),
        ("", set()),
        (" , ,", set()),
        ("groups", {"groups"}),
        ("groups, billing,groups,unheard of", {"groups", "billing", "unheard of"}),
    ],
)
def test_comma_separated_words(text: str | None, expected: set[str]) -> None:
    assert csv(text) == expected


def test_an_empty_search_is_none() -> None:
    assert words("search", None) is None
    assert words("search", "") is None
    assert words("search", "a b") == "a b"
    with pytest.raises(BadRequest, match="search: expected text without NUL characters"):
        words("search", "a\0")
