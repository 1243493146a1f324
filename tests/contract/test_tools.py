"""Tools that the server runs, with the official client: given by an admin, called by the model (decision 0042)."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import openai
import pytest

from dwctl.wire.sse import events
from tests.contract.test_queued import ended
from tests.contract.test_response_socket import connected
from tests.contract.tool_house import Given
from tests.fakes.answers import Answer, Hang
from tests.fakes.model import MODEL
from tests.fakes.tools import Caller, ToolServer
from tests.fakes.upstream import UpstreamThread, upstream_in_thread
from tests.server_process import Product
from tests.waiting import until
from tests.wire.open_responses import rebuilt, response, told

pytestmark = pytest.mark.xdist_group("contract")

SUN = '{"city":"Ulm","sun":true}'


@pytest.fixture
def given(admin: httpx.Client) -> Iterator[Given]:
    """A server of tools, and what an administrator made of it."""
    with upstream_in_thread(ToolServer(weather=lambda asked: {"city": asked["city"], "sun": True})) as server:
        made = Given(admin, server)
        made.tool("weather", api_key="s3cret")
        yield made
        made.end()


@pytest.fixture
def caller(upstream: UpstreamThread) -> Caller:
    """A model that calls the tool once, and then answers."""
    made = Caller([("weather", {"city": "Ulm"})], says="Let me look.")
    upstream.forget(made)
    return made


def test_a_whole_answer(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    raw = client.responses.with_raw_response.create(model=MODEL, input="How is it in Ulm?")
    shown = raw.http_response.json()
    response(shown)
    assert [item["type"] for item in shown["output"]] == [
        "message",
        "mcp_call",
        "message",
    ]
    answer = raw.parse()
    assert (answer.id, answer.status) == (raw.headers["x-onwards-response-id"], "completed")
    assert (answer.tools, answer.tool_choice) == ([], "auto")
    assert shown["output"][1]["output"] == SUN
    assert (shown["usage"]["input_tokens"], shown["usage"]["output_tokens"]) == (20, 8)
    assert given.server.posts[0].header("authorization") == "Bearer s3cret"
    stored = client.responses.with_raw_response.retrieve(answer.id).http_response.json()
    assert stored == shown
    items = client.responses.input_items.list(answer.id).data
    assert [item.type for item in items] == ["message"]
    logged = given.ask("GET", f"/requests/{answer.id.removeprefix('resp_')}")
    assert (logged["status_code"], logged["prompt_tokens"], logged["completion_tokens"]) == (200, 20, 8)
    (called,) = logged["tool_calls"]
    assert (called["name"], called["outcome"], called["tool_source_id"]) == (
        "weather",
        "ok",
        given.sources[0],
    )
    assert called["item_id"] == shown["output"][1]["id"]


def test_a_stream_has_one_life(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    with client.responses.with_streaming_response.create(
        model=MODEL, input="How is it in Ulm?", stream=True
    ) as answer:
        found = told(answer.read())
    kinds = [event["type"] for event in found]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert [kinds.count(f"response.{name}") for name in ("created", "in_progress", "completed")] == [1, 1, 1]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    last = found[-1]["response"]
    assert rebuilt(found) == last["output"]
    assert len({item["id"] for item in last["output"]}) == 3
    assert last["usage"]["total_tokens"] == 28
    stored = client.responses.with_raw_response.retrieve(last["id"]).http_response.json()
    assert stored == last
    assert [bool(asked["stream"]) for asked in caller.asked] == [True, True]


def test_the_stream_helper(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    with client.responses.stream(model=MODEL, input="How is it in Ulm?") as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_text == "Let me look.All done."


def test_it_goes_on_with_what_tools_said(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    first = client.responses.create(model=MODEL, input="How is it in Ulm?")
    before = len(caller.asked)
    client.responses.create(model=MODEL, input="And tomorrow?", previous_response_id=first.id)
    asked = caller.asked[before]["messages"]
    assert [message["role"] for message in asked] == ["user", "assistant", "tool", "assistant", "user"]
    (call,) = asked[1]["tool_calls"]
    assert (asked[2]["tool_call_id"], asked[2]["content"]) == (call["id"], SUN)


def test_in_the_background(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    accepted = client.responses.create(model=MODEL, input="How is it in Ulm?", background=True)
    done = ended(client, accepted.id)
    assert (done.status, done.background, done.id) == ("completed", True, accepted.id)
    assert [item.type for item in done.output][1:2] == ["mcp_call"]
    assert (done.usage.input_tokens, done.usage.output_tokens) == (20, 8)


def test_a_background_stream_is_read_again(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    with client.responses.with_streaming_response.create(
        model=MODEL, input="How is it in Ulm?", background=True, stream=True
    ) as answer:
        whole = answer.read()
    found = told(whole)
    last = found[-1]["response"]
    assert (found[-1]["type"], rebuilt(found)) == ("response.completed", last["output"])
    stored = client.responses.with_raw_response.retrieve(last["id"]).http_response.json()
    assert stored == last
    with client.responses.with_streaming_response.retrieve(
        last["id"], stream=True, starting_after=5
    ) as again:
        assert again.read() == b"".join(list(events(whole))[6:])


def test_flex_waits_for_its_answer(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    answer = client.responses.create(model=MODEL, input="How is it in Ulm?", service_tier="flex")
    assert (answer.service_tier, answer.output_text) == ("flex", "Let me look.All done.")


def test_cancel_ends_a_tool_that_runs(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    given.server.push(Answer((Hang(),)))
    accepted = client.responses.create(model=MODEL, input="How is it in Ulm?", background=True)
    given.server.wait_until(lambda: len(given.server.posts) == 1, "the tool is called")
    gone = client.responses.cancel(accepted.id)
    assert gone.status == "cancelled"
    given.server.wait_until(lambda: not given.server.upstream.open_connections, "nobody waits for the tool")
    assert client.responses.retrieve(accepted.id).status == "cancelled"
    assert len(caller.asked) == 1


def test_another_account_has_no_tool(
    client: openai.OpenAI, stranger: openai.OpenAI, given: Given, caller: Caller
) -> None:
    caller.turns = ()
    assert stranger.responses.create(model=MODEL, input="x").output_text == "All done."
    assert "tools" not in caller.asked[0]
    assert given.server.posts == []
    wanted: Any = [{"type": "hosted_tool", "name": "weather"}]
    with pytest.raises(openai.BadRequestError) as caught:
        stranger.responses.create(model=MODEL, input="x", tools=wanted)
    assert "Unknown hosted tool: 'weather'. Available tools: []" in caught.value.message


def test_a_tool_that_is_taken_away_is_gone_at_once(
    client: openai.OpenAI, given: Given, caller: Caller
) -> None:
    given.ask("DELETE", f"/groups/{given.group_id}/tool-sources/{given.sources[0]}")
    client.responses.create(model=MODEL, input="x")
    assert "tools" not in caller.asked[0]
    given.ask("PUT", f"/groups/{given.group_id}/tool-sources/{given.sources[0]}")
    client.responses.create(model=MODEL, input="x")
    assert caller.asked[1]["tools"][0]["function"]["name"] == "weather"


def test_compact_calls_no_tool(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    caller.turns = ()
    client.responses.compact(model=MODEL, input="How is it in Ulm?")
    assert "tools" not in caller.asked[0]


def test_a_line_of_a_batch(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    body = {"model": MODEL, "input": "How is it in Ulm?"}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
    made = client.files.create(file=("in.jsonl", msgspec.json.encode(line)), purpose="batch")
    batch = client.batches.create(input_file_id=made.id, endpoint="/v1/responses", completion_window="24h")
    until(lambda: client.batches.retrieve(batch.id).status == "completed", "the batch ends")
    output = client.batches.retrieve(batch.id).output_file_id
    assert output is not None
    answer = msgspec.json.decode(client.files.content(output).content)["response"]["body"]
    assert [item["type"] for item in answer["output"]][1:2] == ["mcp_call"]
    assert answer["usage"]["total_tokens"] == 28


def test_in_a_conversation(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    talk = client.conversations.create()
    client.responses.create(model=MODEL, input="How is it in Ulm?", conversation=talk.id)
    kinds = [item.type for item in client.conversations.items.list(talk.id, order="asc")]
    assert kinds == ["message", "message", "mcp_call", "message"]
    # A call that is refused gives its place back, so that the conversation takes the next one.
    wanted: Any = [{"type": "hosted_tool", "name": "nonsense"}]
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input="x", conversation=talk.id, tools=wanted)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input=[], conversation=talk.id, extra_body={"max_tokens": 7})
    client.responses.create(model=MODEL, input="And tomorrow?", conversation=talk.id)
    assert len(client.conversations.items.list(talk.id, order="asc").data) > len(kinds)


def test_what_is_not_stored(client: openai.OpenAI, given: Given, caller: Caller) -> None:
    answer = client.responses.create(model=MODEL, input="How is it in Ulm?", store=False)
    assert answer.output_text == "Let me look.All done."
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


async def test_over_a_socket(product: Product, given: Given, caller: Caller) -> None:
    async with connected(product) as socket:
        found = await socket.turn(input="How is it in Ulm?", store=False)
        first = found[-1]["response"]
        assert rebuilt(found) == first["output"]
        # The connection remembers what tools said.
        await socket.turn(input="And tomorrow?", store=False, previous_response_id=first["id"])
    roles = [message["role"] for message in caller.asked[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize("stream", [False, True])
def test_on_the_playground(
    client: openai.OpenAI, admin: httpx.Client, given: Given, caller: Caller, stream: bool
) -> None:
    body = {"model": MODEL, "input": "How is it in Ulm?", "stream": stream}
    answer = admin.post("/admin/api/v1/ai/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    shown = told(answer.content)[-1]["response"] if stream else answer.json()
    assert [item["type"] for item in shown["output"]][1:2] == ["mcp_call"]
