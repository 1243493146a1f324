"""The product before model servers of other makers: real inference, with the habits that real servers have."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import sqrt
from pathlib import Path
from typing import Protocol

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.contract.adapter import set_adapter
from tests.models.servers import DIMENSIONS, ModelServer
from tests.server_process import Product

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("models")]

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is a gateway?"}]


class Through(Protocol):
    """Gives a client of a product that stands before a given server."""

    def __call__(self, server: ModelServer, *, native: bool = False) -> openai.OpenAI:
        """`native`: calls of `/responses` go to the server as they come."""
        ...


@pytest.fixture(scope="module")
def through(open_directory: Path) -> Iterator[Through]:
    """One product for each server."""
    products: dict[str, tuple[Product, openai.OpenAI]] = {}
    with ExitStack() as stack:

        def made(server: ModelServer, *, native: bool = False) -> openai.OpenAI:
            if server.url not in products:
                product = stack.enter_context(running(open_directory, server))
                client = openai.OpenAI(
                    base_url=product.base_url, api_key=product.key, max_retries=0, timeout=120
                )
                products[server.url] = product, stack.enter_context(client)
            product, client = products[server.url]
            set_adapter(product, False if native else None, server.model)
            return client

        yield made


@contextmanager
def running(parent: Path, server: ModelServer) -> Iterator[Product]:
    """A product with its own data directory."""
    home = Path(tempfile.mkdtemp(dir=parent))
    home.chmod(0o755)
    product = Product(home, upstream=server.url)
    try:
        product.start()
        yield product
    finally:
        product.close()
        shutil.rmtree(home, ignore_errors=True)


def test_chat_models_are_imported(through: Through, transformers_server: ModelServer) -> None:
    assert [model.id for model in through(transformers_server).models.list()] == [transformers_server.model]


def test_chat(through: Through, transformers_server: ModelServer) -> None:
    client = through(transformers_server)

    def ask() -> openai.types.chat.ChatCompletion:
        return client.chat.completions.create(
            model=transformers_server.model, messages=MESSAGES, max_tokens=12, temperature=0
        )

    answer = ask()
    assert answer.id.startswith("resp_")
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("length", "stop")
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    again = ask()
    assert again.choices[0].message.content == answer.choices[0].message.content
    assert again.id != answer.id


def test_chat_streamed_says_what_the_whole_answer_says(
    through: Through, transformers_server: ModelServer
) -> None:
    client = through(transformers_server)
    whole = client.chat.completions.create(
        model=transformers_server.model, messages=MESSAGES, max_tokens=12, temperature=0
    )
    with client.chat.completions.create(
        model=transformers_server.model, messages=MESSAGES, max_tokens=12, temperature=0, stream=True
    ) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices[0].finish_reason in ("length", "stop")
    # This server sends neither a chunk of usage nor [DONE]; the call is counted all the same.
    stored = client.responses.retrieve(chunks[0].id)
    assert stored.output_text == text
    assert stored.usage is not None
    assert whole.usage is not None
    assert stored.usage.total_tokens == whole.usage.total_tokens


@pytest.mark.parametrize("native", [False, True])
def test_responses(through: Through, transformers_server: ModelServer, native: bool) -> None:
    client = through(transformers_server, native=native)
    # Left out, `stream` means true to this server.
    raw = client.responses.with_raw_response.create(
        model=transformers_server.model, input="Hello", max_output_tokens=16, stream=False
    )
    answer = raw.parse()
    assert answer.id == raw.headers["x-onwards-response-id"]
    assert answer.output_text
    stored = client.responses.retrieve(answer.id)
    assert stored.output_text == answer.output_text
    assert stored.usage is not None
    assert stored.usage.output_tokens > 0


@pytest.mark.parametrize("native", [False, True])
def test_responses_streamed(through: Through, transformers_server: ModelServer, native: bool) -> None:
    client = through(transformers_server, native=native)
    with client.responses.create(
        model=transformers_server.model, input="Hello", max_output_tokens=16, stream=True
    ) as stream:
        events = list(stream)
    last = events[-1]
    # Of its own accord this model seldom ends; its server's own events do not tell that it was cut.
    assert last.type == "response.completed" or (last.type == "response.incomplete" and not native)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert client.responses.retrieve(last.response.id).output_text == last.response.output_text


def test_a_stream_that_nobody_asked_for(through: Through, transformers_server: ModelServer) -> None:
    """Without `stream` this server answers `/responses` with events: passed on, counted and stored as such."""
    client = through(transformers_server, native=True)
    raw = client.responses.with_raw_response.create(
        model=transformers_server.model, input="Hello", max_output_tokens=16
    )
    assert raw.headers["content-type"].startswith("text/event-stream")
    name = raw.headers["x-onwards-response-id"]
    assert f'"id":"{name}"' in raw.text
    stored = client.responses.retrieve(name)
    assert (stored.status, stored.id) == ("completed", name)
    assert stored.output_text
    assert stored.usage is not None
    assert stored.usage.output_tokens > 0


def test_completions(through: Through, transformers_server: ModelServer) -> None:
    answer = through(transformers_server).completions.create(
        model=transformers_server.model, prompt="A gateway", max_tokens=8
    )
    assert answer.choices[0].text


def test_what_the_server_refuses(through: Through, transformers_server: ModelServer) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        through(transformers_server).chat.completions.create(
            model=transformers_server.model, messages=MESSAGES, extra_body={"no_such_field": 1}
        )
    assert 400 <= caught.value.status_code < 500
    assert caught.value.response.headers["x-onwards-response-id"].startswith("resp_")


def test_embeddings_mean_something(through: Through, embedding_server: ModelServer) -> None:
    client = through(embedding_server)
    words = ["cat", "kitten", "revenue"]
    raw = client.embeddings.with_raw_response.create(model=embedding_server.model, input=words)
    answer = raw.parse()
    cat, kitten, revenue = (item.embedding for item in answer.data)
    assert len(cat) == DIMENSIONS
    assert cosine(cat, cat) == pytest.approx(1)
    assert cosine(cat, kitten) > cosine(cat, revenue) + 0.3
    assert answer.usage.total_tokens > 0
    assert client.responses.retrieve(raw.headers["x-onwards-response-id"]).status == "completed"
    plain = client.embeddings.create(model=embedding_server.model, input=words, encoding_format="float")
    assert plain.data[2].embedding == pytest.approx(revenue, abs=1e-6)


def test_embedding_models_are_imported(through: Through, embedding_server: ModelServer) -> None:
    assert [model.id for model in through(embedding_server).models.list()] == [embedding_server.model]


def cosine(one: list[float], other: list[float]) -> float:
    lengths = sqrt(sum(a * a for a in one)) * sqrt(sum(b * b for b in other))
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths
