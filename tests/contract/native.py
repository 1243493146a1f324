"""The product's model as one whose server speaks Responses itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.fakes.model import MODEL


@contextmanager
def adapter(admin: httpx.Client, *, on: bool) -> Iterator[None]:
    """Whether Responses are made of its chat completions, while the block lasts; before and after it is not said."""
    found = admin.get("/admin/api/v1/models", params={"limit": 100}).json()["data"]
    (ident,) = [one["id"] for one in found if one["alias"] == MODEL]

    def change(value: bool | None) -> None:
        body = {"open_responses_adapter": value}
        admin.patch(f"/admin/api/v1/models/{ident}", json=body).raise_for_status()

    change(on)
    try:
        yield
    finally:
        change(None)
