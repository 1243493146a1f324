"""SIGKILL in the middle of a call whose model uses tools of the server (decision 0042)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from dwctl.requests.record import State
from tests.chaos.rows import rows_of
from tests.chaos.test_background_streams import Watch, client_of
from tests.chaos.test_money import PRICE, charges_of
from tests.cli.command import dwctl
from tests.contract.tool_house import Given
from tests.fakes.answers import HANG
from tests.fakes.model import MODEL
from tests.fakes.tools import Caller, ToolServer
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product
from tests.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

ULM = ("weather", {"city": "Ulm"})


class Scene:
    """A running product with a priced model, a tool that hangs at its first call, and what they were asked."""

    def __init__(self, product: Product, server: UpstreamThread, caller: Caller) -> None:
        self.product = product
        self.server = server
        self.caller = caller

    def killed_while_the_tool_runs(self) -> None:
        """And started again."""
        self.server.wait_until(lambda: len(self.server.posts) == 1, "the tool runs")
        self.product.kill()
        self.product.start()

    async def charges(self) -> dict[UUID, int]:
        """How many each call has; and the ledger is in order."""
        checked = dwctl(
            "doctor", "--ledger", "--data-dir", self.product.data_dir, directory=self.product.data_dir.parent
        )
        assert "FAIL  ledger" not in checked.output
        assert "ok    ledger: rows cost " in checked.output
        found: dict[UUID, int] = {}
        for charge in await charges_of(self.product.data_dir):
            found[charge["request_id"]] = found.get(charge["request_id"], 0) + 1
        return found


@contextmanager
def scene(home: Path) -> Iterator[Scene]:
    """Begin it."""
    caller = Caller([ULM], says="One moment.")
    tools = ToolServer(weather=lambda asked: {"city": asked["city"]})
    with upstream_in_thread() as upstream, upstream_in_thread(tools) as server:
        product = Product(home, upstream=upstream.url)
        product.start()
        try:
            with httpx.Client(base_url=product.address, timeout=20, trust_env=False) as admin:
                person = {"email": product.admin_email, "password": product.admin_password}
                admin.post("/authentication/login", json=person).raise_for_status()
                given = Given(admin, server)
                given.tool("weather")
                given.ask("PATCH", f"/models/{given.model_id}", {"tariffs": [PRICE]})
                owner = given.ask("GET", "/users/current")["id"]
                grant = {
                    "user_id": owner,
                    "transaction_type": "admin_grant",
                    "amount": "100",
                    "source_id": "x",
                }
                given.ask("POST", "/transactions", grant)
            upstream.forget(caller)
            server.push(HANG)
            yield Scene(product, server, caller)
        finally:
            product.close()


async def test_a_call_on_its_connection_is_interrupted_and_its_tool_not_called_again(data_dir: Path) -> None:
    with scene(data_dir) as on:
        answers: list[int] = []

        def call() -> None:
            with client_of(on.product) as client:
                try:
                    answers.append(client.post("/responses", json={"model": MODEL, "input": "x"}).status_code)
                except httpx.TransportError:
                    answers.append(0)

        asking = threading.Thread(target=call)
        asking.start()
        on.killed_while_the_tool_runs()
        asking.join()
        assert answers == [0]
        (row,) = await rows_of(data_dir, at_least=1)
        charges = await on.charges()
    assert row["state"] == State.FAILED
    assert charges == {}
    assert (len(on.server.posts), len(on.caller.asked)) == (1, 1)


async def test_a_queued_call_runs_again_and_its_tool_too(data_dir: Path) -> None:
    with scene(data_dir) as on:
        with client_of(on.product) as client:
            body = {"model": MODEL, "input": "x", "background": True}
            name = client.post("/responses", json=body).json()["id"]
            on.killed_while_the_tool_runs()
        with client_of(on.product) as client:
            until(
                lambda: client.get(f"/responses/{name}").json()["status"] == "completed",
                "the call runs again and ends",
            )
            shown = client.get(f"/responses/{name}").json()
        charges = await on.charges()
    assert [item["type"] for item in shown["output"]].count("mcp_call") == 1
    first, second = on.server.posts
    # A tool that heeds it does the work once.
    assert first.header("idempotency-key") == second.header("idempotency-key") is not None
    assert charges == {UUID(name.removeprefix("resp_")): 1}
    assert len(on.caller.asked) == 3


async def test_a_stream_that_was_shown_is_not_told_another_way(data_dir: Path) -> None:
    with scene(data_dir) as on:
        with client_of(on.product) as client:
            watch = Watch(client)
            # Up to the event that says that the tool runs.
            name = watch.begin(12)
            on.killed_while_the_tool_runs()
        with client_of(on.product) as client:
            watch.resume(client, name)
            stored = client.get(f"/responses/{name}").json()
        assert watch.said() == "One moment."
        await on.charges()
    assert (watch.seen[-1]["type"], watch.seen[-1]["response"]) == ("response.failed", stored)
    assert (len(on.server.posts), len(on.caller.asked)) == (1, 1)
