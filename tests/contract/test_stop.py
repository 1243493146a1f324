"""How it ends: a signal at any moment, requests under way, and what must not be left behind."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.fakes import shapes
from tests.fakes.answers import Answer, Pause, frames, stream_reply
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.processes import ROOT
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")
Make = Callable[..., Product]
WORDS = [f"{number} " for number in range(30)]


@pytest.fixture
def make(data_dir: Path) -> Iterator[Make]:
    """Makes products on the test's data directory; none outlives the test."""
    made: list[Product] = []

    def product(upstream: str | None = None) -> Product:
        made.append(Product(data_dir, upstream=upstream))
        return made[-1]

    yield product
    for one in made:
        one.end()


def processes_on(data_dir: Path) -> list[str]:
    """Command lines of all processes that name this directory, our own test process aside."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(data_dir) in command and int(folder.name) != os.getpid():
            found.append(command)
    return found


def slow_stream(gap: float) -> Answer:
    """A chat stream that takes `gap` seconds for each word."""
    return stream_reply(frames(shapes.chat_chunks(MODEL, WORDS)), gap=gap)


def test_a_stream_under_way_is_finished_and_nothing_is_left(
    make: Make, data_dir: Path, upstream: UpstreamThread
) -> None:
    product = make(upstream.url)
    product.start()
    upstream.push(slow_stream(0.03))
    with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Count"}], stream=True
        )
        got = [next(stream).choices[0].delta.content]
        os.kill(product.pid, signal.SIGTERM)
        product.wait_for("stopping: requests under way are finished")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{product.address}/healthz", trust_env=False)
        got += [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
    assert "".join(text or "" for text in got) == "".join(WORDS)
    assert product.wait_for_end() == 0
    assert processes_on(data_dir) == []
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    assert (data_dir / "lock").read_bytes() == b""


@pytest.mark.long
def test_the_drain_time_is_the_one_that_is_set(make: Make, data_dir: Path, upstream: UpstreamThread) -> None:
    """Longer than a service may take to stop otherwise."""
    product = make(upstream.url)
    product.start()
    upstream.push(slow_stream(0.5))
    with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0) as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Count"}], stream=True
        )
        next(stream)
        os.kill(product.pid, signal.SIGTERM)
        got = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert got.endswith(WORDS[-1])
    assert product.wait_for_end() == 0
    assert "did not stop within" not in product.output


@pytest.mark.long
def test_a_second_signal_ends_at_once(make: Make, data_dir: Path, upstream: UpstreamThread) -> None:
    product = make(upstream.url)
    product.start()
    upstream.push(Answer((Pause(60),)))
    call = threading.Thread(target=call_and_lose, args=(product.base_url, product.key), daemon=True)
    call.start()
    upstream.wait_until(lambda: bool(upstream.posts), "the call is under way")
    os.kill(product.pid, signal.SIGINT)
    product.wait_for("stopping: requests under way are finished")
    os.kill(product.pid, signal.SIGINT)
    assert product.wait_for_end() == 130
    call.join()
    # The database has no parent any more and ends by itself; the next start finds nothing in its way.
    until(lambda: processes_on(data_dir) == [], "nothing of it runs any more")
    product.start()
    product.stop()


def call_and_lose(base_url: str, key: str) -> None:
    """A call whose connection is cut."""
    with pytest.raises(httpx.HTTPError):
        httpx.post(
            f"{base_url}/chat/completions",
            json={"model": MODEL, "messages": [{"role": "user", "content": "Wait"}]},
            headers={"authorization": f"Bearer {key}"},
            timeout=60,
            trust_env=False,
        )


@pytest.mark.long
def test_a_signal_while_it_starts(make: Make, data_dir: Path) -> None:
    product = make()
    product.begin()
    until(lambda: any(data_dir.glob(".postgres.making-*")), "the database is being made")
    os.kill(product.pid, signal.SIGTERM)
    assert product.wait_for_end() == 0
    assert "Traceback" not in product.output
    assert "is ready" not in product.output
    assert processes_on(data_dir) == []
    # It has used up nothing: the password is shown by the start that succeeds.
    product.start()
    assert product.admin_password
    product.stop()


@pytest.mark.long
def test_a_signal_while_it_waits_for_a_model_server(
    make: Make, data_dir: Path, upstream: UpstreamThread
) -> None:
    upstream.forget(lambda _: Answer((Pause(60),)))
    product = make(upstream.url)
    product.begin()
    upstream.wait_until(lambda: bool(upstream.requests), "it asks for the models")
    os.kill(product.pid, signal.SIGTERM)
    assert product.wait_for_end() == 0
    assert "stopped before it was ready" in product.output
    assert "Traceback" not in product.output


@pytest.mark.long
def test_nobody_reads_what_it_shows(data_dir: Path) -> None:
    """As in `dwctl serve | head -1`: the reader is gone, the server is not."""
    reading, writing = os.pipe()
    os.close(reading)
    errors = data_dir / "errors"
    with errors.open("wb") as file:
        command = [sys.executable, "-m", "dwctl", "serve", "--port", "0", "--data-dir", str(data_dir)]
        environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT / "src"), "HOME": str(data_dir)}
        with subprocess.Popen(command, cwd=data_dir, env=environment, stdout=writing, stderr=file) as process:
            os.close(writing)
            until(lambda: b"standard output cannot be written" in errors.read_bytes(), "it says so")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    assert b"dwctl user password" in errors.read_bytes()
    assert b"Traceback" not in errors.read_bytes()
