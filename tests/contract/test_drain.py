"""The time to finish is over: every kind of answer ends in its own language, and nothing recorded is lost."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.contract.adapter import set_adapter
from tests.contract.test_external_database import Server, ask, external, stored
from tests.contract.test_stop import WORDS, processes_on
from tests.fakes import shapes
from tests.fakes.answers import Answer, Pause, frames, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")


@contextmanager
def running(product: Product) -> Iterator[Product]:
    """A product that has started, and does not outlive the block."""
    product.start()
    try:
        yield product
    finally:
        product.end()


def endless(body: list[dict[str, object]]) -> Answer:
    """A stream that stops in the middle and does not end."""
    return Answer((*stream_reply(frames(body)).steps[:3], Pause(60)))


def seen(upstream: UpstreamThread, count: int) -> bool:
    """Whether the model server has got so many calls."""
    return len(upstream.posts) >= count


class Call(threading.Thread):
    """One call of a client that reads whatever comes."""

    def __init__(self, product: Product, path: str, body: dict[str, object]) -> None:
        super().__init__(daemon=True)
        self.status = 0
        self.text = ""
        self._url = f"{product.base_url}{path}"
        self._body = {"model": MODEL, **body}
        self._headers = {"authorization": f"Bearer {product.key}"}

    def run(self) -> None:
        """Read to the end."""
        with httpx.stream(
            "POST", self._url, json=self._body, headers=self._headers, timeout=60, trust_env=False
        ) as answer:
            self.status = answer.status_code
            for piece in answer.iter_text():
                self.text += piece


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_answers_that_do_not_end_in_time(data_dir: Path, upstream: UpstreamThread, workers: int) -> None:
    environment = {"DWCTL_LISTENER__DRAIN": "300ms", "DWCTL_WORKERS": str(workers)}
    with running(Product(data_dir, upstream=upstream.url, environment=environment)) as product:
        set_adapter(product, False)
        messages = [{"role": "user", "content": "Count"}]
        asked: list[tuple[Answer, str, dict[str, object]]] = [
            (
                endless(shapes.chat_chunks(MODEL, WORDS)),
                "/chat/completions",
                {"messages": messages, "stream": True},
            ),
            (
                endless(shapes.response_events(MODEL, WORDS)),
                "/responses",
                {"input": "Count", "stream": True},
            ),
            (Answer((Pause(60),)), "/chat/completions", {"messages": messages}),
        ]
        calls = []
        for number, (answer, path, body) in enumerate(asked, len(upstream.posts) + 1):
            upstream.push(answer)
            calls.append(Call(product, path, body))
            calls[-1].start()
            upstream.wait_until(partial(seen, upstream, number), "the call is under way")
        until(lambda: bool(calls[0].text and calls[1].text), "the streams have begun")
        os.kill(product.pid, signal.SIGTERM)
        for call in calls:
            call.join()
        assert product.wait_for_end() == 0
        assert "are cut after the drain time" in product.output
        chat, response, whole = calls
        assert chat.status == 200
        last = msgspec.json.decode(chat.text.rstrip().splitlines()[-1].removeprefix("data: "))
        assert last["error"]["code"] == "service_unavailable"
        assert response.text.rstrip().splitlines()[-2] == "event: response.failed"
        assert whole.status == 503
        assert msgspec.json.decode(whole.text)["error"]["code"] == "service_unavailable"
        assert processes_on(data_dir) == []
        assert list((data_dir / "spool").iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("own", [True, False])
def test_a_database_that_hangs_does_not_hold_the_end(
    data_dir: Path, upstream: UpstreamThread, own: bool
) -> None:
    home = data_dir / "home"
    home.mkdir(mode=0o755)
    with ExitStack() as stack:
        environment = {}
        if own:
            hung = Server.of(home)
        else:
            hung = stack.enter_context(external(data_dir / "database"))
            environment = {"DATABASE_URL": hung.url}
        product = stack.enter_context(running(Product(home, upstream=upstream.url, environment=environment)))
        ask(product, product.key)
        hung.hang(signal.SIGSTOP)
        names = [ask(product, product.key) for _ in range(5)]
        # Within the time that any stop may take.
        product.stop()
        assert "records stay in the spool for the next start" in product.output
        if not own:
            hung.hang(signal.SIGCONT)
        until(
            lambda: not any("postgres" in line for line in processes_on(home)), "nothing of it runs any more"
        )
        product.start()
        assert all(stored(product, name) for name in names)
