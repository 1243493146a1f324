"""Every call is a row: its id is in the answer, and the answer can be fetched by it."""

import uuid

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.cli.command import dwctl
from tests.fakes.answers import server_error
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to me"}]
TEXT = "Hello from the fake model."
HEADER = "x-onwards-response-id"


def test_the_id_is_in_body_and_header(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)
    answer = raw.parse()
    assert raw.headers[HEADER] == answer.id
    prefix, _, number = answer.id.partition("_")
    assert (prefix, uuid.UUID(number).version) == ("resp", 7)
    assert raw.headers["x-request-id"]
    assert raw.headers["x-request-id"] != "upstream-request"


def test_every_chunk_has_the_same_id(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES, stream=True)
    with raw.parse() as stream:
        assert {chunk.id for chunk in stream} == {raw.headers[HEADER]}


def test_an_id_sent_by_the_client_counts_for_nothing(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    own = f"resp_{uuid.uuid4()}"
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, extra_headers={HEADER: own})
    assert answer.id != own
    assert upstream.posts[0].header(HEADER) is None


def test_a_chat_is_fetched_as_a_response(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    stored = client.responses.retrieve(answer.id)
    assert (stored.id, stored.status, stored.model) == (answer.id, "completed", MODEL)
    assert stored.output_text == TEXT
    assert stored.usage is not None
    assert (stored.usage.input_tokens, stored.usage.output_tokens) == (4, 5)


def test_a_stream_is_fetched_whole(client: openai.OpenAI) -> None:
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
        name = next(stream).id
        for _ in stream:
            pass
    stored = client.responses.retrieve(name)
    assert (stored.status, stored.output_text) == ("completed", TEXT)
    # Counted although the client did not ask for usage.
    assert stored.usage is not None
    assert stored.usage.total_tokens == 9


async def test_an_async_client_fetches_too(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (await async_client.responses.retrieve(answer.id)).output_text == TEXT


def test_a_failed_call_is_fetched_as_failed(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.push(server_error(500))
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    stored = client.responses.retrieve(caught.value.response.headers[HEADER])
    assert stored.status == "failed"
    assert stored.error is not None
    assert stored.error.code == "server_error"
    assert stored.error.message


def test_a_call_that_was_cut_short_is_incomplete(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_completion_tokens=2)
    stored = client.responses.retrieve(answer.id)
    assert stored.status == "incomplete"
    assert stored.incomplete_details is not None
    assert stored.incomplete_details.reason == "max_output_tokens"
    assert stored.output_text == "Hello from"


def test_embeddings_have_their_id_in_the_header(client: openai.OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(model=MODEL, input="some text")
    assert client.responses.retrieve(raw.headers[HEADER]).status == "completed"


@pytest.mark.parametrize("name", ["resp_6fdc21ba-726d-4ce9-a981-f8433ba0a40c", "resp_nonsense", "nonsense"])
def test_unknown_ids(client: openai.OpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.retrieve(name)
    assert caught.value.response.json()["error"]["type"] == "invalid_request_error"
    assert name in str(caught.value)


def test_another_owner_sees_nothing(client: openai.OpenAI, admin: httpx.Client, product: Product) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    email = f"other-{uuid.uuid4().hex[:8]}@example.com"
    person = {"username": email, "email": email, "password": "long enough to pass", "roles": ["StandardUser"]}
    made = admin.post("/admin/api/v1/users", json=person)
    assert made.status_code == 201, made.text
    key = admin.post(f"/admin/api/v1/users/{made.json()['id']}/api-keys", json={"name": "theirs"})
    assert key.status_code == 201, key.text
    other = client.with_options(api_key=key.json()["key"])
    with pytest.raises(openai.NotFoundError):
        other.responses.retrieve(answer.id)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").responses.retrieve(answer.id)


def test_a_key_with_networks_reads_from_there_alone(product: Product, admin: httpx.Client) -> None:
    for networks, status in ((["127.0.0.0/8", "::1/128"], 200), (["192.0.2.0/24"], 403)):
        wanted = {"name": f"limited {uuid.uuid4()}", "allowed_cidrs": networks}
        made = admin.post("/admin/api/v1/users/current/api-keys", json=wanted).raise_for_status().json()
        with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0) as client:
            name = client.chat.completions.create(model=MODEL, messages=MESSAGES).id
        headers = {"authorization": f"Bearer {made['key']}", "x-forwarded-for": "192.0.2.1"}
        for path in ("models", f"responses/{name}"):
            answer = httpx.get(f"{product.base_url}/{path}", headers=headers, trust_env=False, timeout=20)
            assert answer.status_code == status, path


def test_whoever_is_signed_in_reads_what_is_theirs(
    client: openai.OpenAI, admin: httpx.Client, product: Product
) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    path = f"/ai/v1/responses/{answer.id}"
    assert admin.get(path).json()["output"][0]["content"][0]["text"] == TEXT
    # A key that is sent counts alone, and a page of somebody else's may not ask at all.
    assert admin.get(path, headers={"authorization": "Bearer sk-wrong"}).status_code == 401
    assert admin.get(path, headers={"origin": "https://evil.example"}).status_code == 403
    assert admin.get(path, headers={"origin": product.address}).status_code == 200
    session = "; ".join(f"{name}={value}" for name, value in admin.cookies.items())
    with httpx.Client(base_url=product.address, trust_env=False, timeout=20) as fresh:
        assert fresh.get(path, headers={"cookie": f"theme=dark; odd; {session}; x=1"}).status_code == 200
        for cookie in ("", "odd; =;", f"{session}x"):
            assert fresh.get(path, headers={"cookie": cookie}).status_code == 401, cookie
        email, password = "reader@example.com", "long enough for a test"
        body = {"username": email, "email": email, "roles": ["StandardUser", "PlatformManager"]}
        admin.post("/admin/api/v1/users", json=body).raise_for_status()
        ended = dwctl(
            "user", "password", email, "--data-dir", product.data_dir, directory=product.data_dir,
            given=f"{password}\n",
        )  # fmt: skip
        assert ended.status == 0, ended.errors
        fresh.post("/authentication/login", json={"email": email, "password": password}).raise_for_status()
        assert fresh.get(path).status_code == 404
