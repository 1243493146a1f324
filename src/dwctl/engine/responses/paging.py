"""Queries of the routes of responses, and pages of items. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dwctl.core.errors import BadRequest

DEFAULT_LIMIT = 20
MOST = 100
INCLUDABLE = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "message.output_text.logprobs",
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
"""What clients may ask for besides. All that is stored is shown anyway, so asking adds nothing."""


class Page(msgspec.Struct, frozen=True):
    """Which items are asked for."""

    after: str | None = None
    before: str | None = None
    limit: int = DEFAULT_LIMIT
    ascending: bool = False


def check_include(query: Mapping[str, Sequence[str]]) -> None:
    """Refuse what nobody knows; clients write `include[]` and `include`."""
    for name in ("include", "include[]"):
        for value in query.get(name, ()):
            if value not in INCLUDABLE:
                raise BadRequest(
                    f"Invalid value for 'include': '{value[:100]}'. Supported values are: "
                    f"{', '.join(sorted(INCLUDABLE))}.",
                    param="include",
                    code="invalid_value",
                )


def page_of(query: Mapping[str, Sequence[str]]) -> Page:
    """The page that a query asks for."""
    check_include(query)
    limit = _last(query, "limit")
    order = _last(query, "order")
    if order not in (None, "asc", "desc"):
        raise BadRequest("order: expected asc or desc", param="order", code="invalid_value")
    count = DEFAULT_LIMIT
    if limit is not None:
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MOST:
            raise BadRequest(
                f"limit: expected a whole number from 1 to {MOST}", param="limit", code="invalid_value"
            )
        count = int(limit)
    return Page(_last(query, "after"), _last(query, "before"), count, order == "asc")


def list_of(items: Sequence[dict[str, Any]], page: Page) -> dict[str, Any]:
    """The page of items, which come oldest first, in the envelope of lists (spec/wire-api §2.2)."""
    ordered = list(items) if page.ascending else list(reversed(items))
    start, stop = 0, len(ordered)
    if page.after is not None:
        start = _place(ordered, page.after, "after") + 1
    if page.before is not None:
        stop = _place(ordered, page.before, "before")
    between = ordered[start:stop]
    if page.before is not None and page.after is None:
        # Going back: those next to the item that is named.
        shown, more = between[-page.limit :], len(between) > page.limit
    else:
        shown, more = between[: page.limit], len(between) > page.limit
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": more,
    }


def _place(items: Sequence[dict[str, Any]], ident: str, name: str) -> int:
    for index, item in enumerate(items):
        if item["id"] == ident:
            return index
    raise BadRequest(
        f"{name}: there is no item with the id '{ident[:100]}'", param=name, code="invalid_value"
    )


def _last(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = query.get(name, ())
    return values[-1] if values else None
