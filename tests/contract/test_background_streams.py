"""Streams of background calls: shown as they come, read again and resumed (spec/wire-api §1.6, §2.6)."""

import json
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.contract.adapter import native, set_adapter
from tests.fakes.answers import frames, json_reply, stream_reply
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.shapes import response_events
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product

pytestmark = pytest.mark.xdist_group("contract")

TEXT = "Hello from the fake model."
WORDS = len(TEXT.split())


def body(**more: Any) -> dict[str, Any]:
    """A call in the background that streams."""
    return {"model": MODEL, "input": "Say hello to me", "background": True, "stream": True, **more}


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The data of each event, `[DONE]` as an empty one."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            text = line.removeprefix("data: ")
            found = {} if text == "[DONE]" else json.loads(text)
            assert found.get("type", "") == name
            name = ""
            yield found


@pytest.fixture(scope="module", autouse=True)
def known_to_the_server(product: Product) -> Iterator[None]:
    """The model server is asked for responses, and its events are those that are shown."""
    with native(product):
        yield


@pytest.fixture
def http(product: Product) -> Iterator[httpx.Client]:
    """A plain client with the key."""
    with httpx.Client(
        base_url=product.base_url,
        headers={"Authorization": f"Bearer {product.key}"},
        timeout=20,
        trust_env=False,
    ) as made:
        yield made


def created(http: httpx.Client, **more: Any) -> list[dict[str, Any]]:
    """All events of a new call, read to the end."""
    with http.stream("POST", "/responses", json=body(**more)) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(events_of(answer.iter_lines()))


def resumed(http: httpx.Client, name: str, after: int | None = None) -> list[dict[str, Any]]:
    """The events of a response behind a number."""
    query: dict[str, Any] = (
        {"stream": "true"} if after is None else {"stream": "true", "starting_after": after}
    )
    with http.stream("GET", f"/responses/{name}", params=query) as answer:
        assert answer.status_code == 200, answer.read()
        return list(events_of(answer.iter_lines()))


def test_events_are_ours_in_order_and_end(http: httpx.Client, upstream: UpstreamThread) -> None:
    found = created(http)
    assert found[-1] == {}
    shown = found[:-1]
    assert [event["sequence_number"] for event in shown] == list(range(len(shown)))
    kinds = [event["type"] for event in shown]
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert kinds.count("response.output_text.delta") == WORDS
    assert kinds[-1] == "response.completed"
    name = shown[0]["response"]["id"]
    for member in ("id", "created_at", "model", "background", "service_tier"):
        assert len({event["response"][member] for event in shown if "response" in event}) == 1, member
    assert [event["response"]["status"] for event in shown if "response" in event] == [
        "queued", "queued", "in_progress", "completed",
    ]  # fmt: skip
    assert "".join(event["delta"] for event in shown if event["type"] == "response.output_text.delta") == TEXT
    assert shown[-1]["response"] == http.get(f"/responses/{name}").json()
    sent = upstream.posts[0].json()
    assert sent["stream"] is True
    assert "background" not in sent


def test_every_cut_is_resumed_without_a_gap(http: httpx.Client, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(chunk_gap=0.02))
    whole = created(http)
    name = whole[0]["response"]["id"]
    assert resumed(http, name) == whole
    for after in range(len(whole) + 1):
        assert resumed(http, name, after) == (whole[after + 1 :] or [{}])


@pytest.mark.parametrize("adapter", [False, None], ids=["native", "translated"])
def test_whoever_leaves_behind_every_event_while_it_runs_misses_nothing(
    http: httpx.Client, product: Product, upstream: UpstreamThread, adapter: bool | None
) -> None:
    upstream.forget(ModelServer(chunk_gap=0.1))
    set_adapter(product, adapter)
    try:
        with http.stream("POST", "/responses", json=body()) as answer:
            seen = [next(events_of(answer.iter_lines()))]
        name = seen[0]["response"]["id"]
        under_way = 0
        while seen[-1] != {}:
            under_way += http.get(f"/responses/{name}").json()["status"] == "in_progress"
            after: dict[str, Any] = {"stream": "true", "starting_after": len(seen) - 1}
            with http.stream("GET", f"/responses/{name}", params=after) as answer:
                seen.append(next(events_of(answer.iter_lines())))
    finally:
        set_adapter(product, False)
    assert under_way > 3
    assert [event["sequence_number"] for event in seen[:-1]] == list(range(len(seen) - 1))
    assert resumed(http, name) == seen


def test_a_whole_answer_becomes_events(http: httpx.Client, upstream: UpstreamThread) -> None:
    call = {
        "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}",
    }  # fmt: skip
    message = {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}],
    }
    upstream.push(
        json_reply({"id": "x", "object": "response", "status": "completed", "output": [message, call]})
    )
    shown = created(http)
    assert [event.get("type", "").removeprefix("response.") for event in shown] == [
        "created", "queued", "in_progress",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed", "",
    ]  # fmt: skip
    assert [event["sequence_number"] for event in shown[:-1]] == list(range(14))
    assert shown[8]["item"] == message
    assert resumed(http, shown[0]["response"]["id"]) == shown


def test_the_official_client_creates_and_resumes(client: openai.OpenAI, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(chunk_gap=0.02))
    first: list[Any] = []
    with client.responses.create(model=MODEL, input="Say hello", background=True, stream=True) as stream:
        for event in stream:
            first.append(event)
            if event.type == "response.output_text.delta":
                break
    name, cursor = first[0].response.id, first[-1].sequence_number
    with client.responses.retrieve(name, stream=True, starting_after=cursor) as again:
        rest: list[Any] = list(again)
    numbers = [event.sequence_number for event in (*first, *rest)]
    assert numbers == list(range(len(numbers)))
    assert (rest[-1].type, rest[-1].response.output_text) == ("response.completed", TEXT)
    assert client.responses.retrieve(name).output_text == TEXT


def test_flex_streams_its_answer_at_the_end(client: openai.OpenAI, http: httpx.Client) -> None:
    stream = client.responses.create(model=MODEL, input="x", service_tier="flex", stream=True)
    events: list[Any] = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[-1].type, events[-1].response.service_tier) == ("response.completed", "flex")
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    refused = http.get(f"/responses/{events[0].response.id}", params={"stream": "true"})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "stream"


@pytest.mark.parametrize("usage", [True, False])
def test_flex_streams_a_chat(client: openai.OpenAI, *, usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "x"}],
            service_tier="flex",
            stream=True,
            **options,
        )
    )
    said = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in said) == TEXT
    assert said[-1].finish_reason == "stop"
    assert (chunks[-1].usage is not None) == usage
    assert len({chunk.id for chunk in chunks}) == 1
    assert client.responses.retrieve(chunks[0].id).output_text == TEXT


def test_flex_in_the_background_is_shown_as_it_comes(http: httpx.Client) -> None:
    shown = created(http, service_tier="flex")
    assert shown[-2]["response"]["service_tier"] == "flex"
    assert resumed(http, shown[0]["response"]["id"], 3) == shown[4:]


@pytest.mark.parametrize(
    ("query", "param"), [("stream=maybe", "stream"), ("stream=true&starting_after=-1", "starting_after")]
)
def test_what_cannot_be_read_is_told(http: httpx.Client, query: str, param: str) -> None:
    name = created(http)[0]["response"]["id"]
    answer = http.get(f"/responses/{name}?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def asked(method: str, path: str, product: Product, content: bytes = b"") -> bytes:
    """A request as bytes."""
    return (
        f"{method} /ai/v1{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {product.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    ).encode() + content


def unchunked(data: bytes) -> bytes:
    """The body of an answer that is whole."""
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    parts: list[bytes] = []
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not int(size, 16):
            return b"".join(parts)
        parts.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]


def taken(line: socket.socket, data: bytes = b"") -> bytes:
    """All of an answer from here on."""
    while not data.endswith(b"0\r\n\r\n"):
        more = line.recv(1 << 16)
        assert more, "the answer was cut"
        data += more
    return data


@pytest.mark.long
def test_a_client_that_reads_slowly_gets_all_of_it(
    http: httpx.Client, product: Product, upstream: UpstreamThread
) -> None:
    """Far more than sockets hold comes while two clients do not read, one of each kind."""
    delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0}
    said = frames(response_events(MODEL, ["x"]), named=True)
    many = frames([delta | {"delta": "x" * 8000}] * 2000, named=True, done=False)
    upstream.push(stream_reply([*said[:4], *many, *said[4:]]))
    place = product.address.removeprefix("http://").split(":")
    with socket.create_connection((place[0], int(place[1])), 30) as first:
        first.sendall(asked("POST", "/responses", product, json.dumps(body()).encode()))
        begun = b""
        while b'"id":"resp_' not in begun:
            begun += first.recv(4096)
        name = "resp_" + begun.split(b'"id":"resp_')[1][:36].decode()
        with socket.create_connection((place[0], int(place[1])), 30) as second:
            second.sendall(asked("GET", f"/responses/{name}?stream=true", product))
            quick = resumed(http, name)
            assert sum(event.get("type") == "response.output_text.delta" for event in quick) == 2001
            for line, start in ((first, begun), (second, b"")):
                text = unchunked(taken(line, start)).decode()
                assert list(events_of(iter(text.split("\n")))) == quick


def test_a_client_that_leaves_changes_nothing(http: httpx.Client, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(chunk_gap=0.05))
    for method in ("POST", "GET"):
        with http.stream("POST", "/responses", json=body()) as answer:
            name = next(events_of(answer.iter_lines()))["response"]["id"]
            if method == "GET":
                with http.stream("GET", f"/responses/{name}", params={"stream": "true"}) as other:
                    next(events_of(other.iter_lines()))
        assert resumed(http, name)[-2]["type"] == "response.completed"


def test_another_accounts_stream_is_not_there(
    http: httpx.Client, admin: httpx.Client, product: Product
) -> None:
    name = created(http)[0]["response"]["id"]
    made = admin.post(
        "/admin/api/v1/users",
        json={"username": f"u{uuid.uuid4().hex}", "email": f"{uuid.uuid4().hex}@example.org", "roles": []},
    )
    key = admin.post(f"/admin/api/v1/users/{made.json()['id']}/api-keys", json={"name": "k"}).json()["key"]
    for secret, status in ((key, 404), ("sk-wrong", 401)):
        answer = http.get(
            f"/responses/{name}", params={"stream": "true"}, headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == status


def test_http_1_0_gets_the_stream_to_the_end_of_the_connection(product: Product, http: httpx.Client) -> None:
    request = asked("POST", "/responses", product, json.dumps(body()).encode()).replace(
        b"HTTP/1.1", b"HTTP/1.0"
    )
    place = product.address.removeprefix("http://").split(":")
    data = b""
    with socket.create_connection((place[0], int(place[1])), 30) as line:
        line.sendall(request)
        while more := line.recv(1 << 16):
            data += more
    head, _, text = data.decode().partition("\r\n\r\n")
    assert "transfer-encoding" not in head
    found = list(events_of(iter(text.split("\n"))))
    assert found == resumed(http, found[0]["response"]["id"])


def test_cancelling_ends_the_stream(http: httpx.Client, upstream: UpstreamThread) -> None:
    upstream.forget(ModelServer(chunk_gap=0.5))
    with http.stream("POST", "/responses", json=body()) as answer:
        shown: list[dict[str, Any]] = []
        for event in events_of(answer.iter_lines()):
            shown.append(event)
            if len(shown) == 5:
                cancelled = http.post(f"/responses/{shown[0]['response']['id']}/cancel").json()
    assert shown[-1] == {}
    assert (shown[-2]["type"], shown[-2]["response"]["status"]) == ("response.incomplete", "cancelled")
    assert shown[-2]["response"] == cancelled
    assert resumed(http, cancelled["id"], 3) == shown[4:]


def test_cancelling_what_waits_ends_the_stream(http: httpx.Client, upstream: UpstreamThread) -> None:
    upstream.push(*[json_reply({}, status=500)] * 50)
    with http.stream("POST", "/responses", json=body()) as answer:
        shown: list[dict[str, Any]] = []
        for event in events_of(answer.iter_lines()):
            shown.append(event)
            if len(shown) == 2:
                upstream.wait_until(lambda: len(upstream.posts) > 0, "it is tried")
                http.post(f"/responses/{shown[0]['response']['id']}/cancel")
    assert [event.get("type") for event in shown[2:]] == ["response.incomplete", None]


def test_a_key_that_was_used_shows_the_same_stream(http: httpx.Client, upstream: UpstreamThread) -> None:
    key = {"idempotency-key": uuid.uuid4().hex}
    texts = [http.post("/responses", json=body(), headers=key).text for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(upstream.posts) == 1


def test_flex_streams_what_is_not_stored(http: httpx.Client) -> None:
    fields = {"model": MODEL, "input": "x", "stream": True, "service_tier": "flex", "store": False}
    answer = http.post("/responses", json=fields)
    assert answer.status_code == 200
    shown = list(events_of(iter(answer.text.split("\n"))))
    assert (shown[-2]["type"], shown[-2]["response"]["store"]) == ("response.completed", False)
    assert http.get(f"/responses/{shown[0]['response']['id']}").status_code == 404


def test_a_translated_model_streams_in_the_background(
    http: httpx.Client, product: Product, upstream: UpstreamThread
) -> None:
    set_adapter(product, None)
    try:
        found = created(http)
        assert upstream.posts[0].path == "/v1/chat/completions"
        name = found[0]["response"]["id"]
        assert resumed(http, name, 4) == found[5:]
        stored = http.get(f"/responses/{name}").json()
    finally:
        set_adapter(product, False)
    shown = found[:-1]
    assert [event["sequence_number"] for event in shown] == list(range(len(shown)))
    assert shown[-1]["response"] == stored
    items = [event["item"] for event in shown if event["type"] == "response.output_item.done"]
    assert items == stored["output"]
    for member in ("id", "created_at", "model", "background", "service_tier"):
        assert len({event["response"][member] for event in shown if "response" in event}) == 1, member


def test_whoever_looks_into_a_call_sees_its_events_and_when_they_came(
    http: httpx.Client, admin: httpx.Client
) -> None:
    told = created(http)[:-1]
    name = told[0]["response"]["id"]
    found = admin.get(f"/admin/api/v1/requests/{name}/events").json()
    assert found["further"] is False
    steps = found["steps"]
    # Each event once, those of one type that follow each other together.
    numbers = [number for step in steps for number in range(step["first"], step["last"] + 1)]
    assert numbers == [event["sequence_number"] for event in told]
    kinds = [step["type"] for step in steps for _ in range(step["first"], step["last"] + 1)]
    assert kinds == [event["type"] for event in told]
    (words,) = [step for step in steps if step["type"] == "response.output_text.delta"]
    assert (words["last"] - words["first"] + 1, words["output_index"]) == (WORDS, 0)
    (added,) = [step for step in steps if step["type"] == "response.output_item.added"]
    assert (added["item_type"], added["item_name"]) == ("message", None)
    moments = [moment for step in steps for moment in (step["at"], step["last_at"])]
    assert None not in moments
    assert moments == sorted(moments)
    detail = admin.get(f"/admin/api/v1/requests/{name}").json()
    assert moments[0] == detail["timestamp"]
    assert moments[-1] >= detail["completed_at"]
    # What nobody can resume has no log.
    plain = http.post("/responses", json={"model": MODEL, "input": "Say hello to me"}).json()["id"]
    none = admin.get(f"/admin/api/v1/requests/{plain}/events").json()
    assert none == {"steps": [], "further": False}
    assert admin.get("/admin/api/v1/requests/nothing/events").status_code == 404
