"""Which way `/responses` of the imported model goes upstream: translated, or as it comes."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.fakes.model import MODEL
from tests.server_process import Product

MODELS = "/admin/api/v1/models"


def set_adapter(product: Product, value: bool | None, alias: str = MODEL) -> None:
    """Set `open_responses_adapter`; it counts once this has returned."""
    with httpx.Client(base_url=product.address, timeout=20, trust_env=False) as session:
        person = {"email": product.admin_email, "password": product.admin_password}
        session.post("/authentication/login", json=person).raise_for_status()
        (ident,) = [model["id"] for model in session.get(MODELS).json()["data"] if model["alias"] == alias]
        session.patch(f"{MODELS}/{ident}", json={"open_responses_adapter": value}).raise_for_status()


@contextmanager
def native(product: Product) -> Iterator[None]:
    """The model's server is known to know `/responses`."""
    set_adapter(product, False)
    try:
        yield
    finally:
        set_adapter(product, None)
