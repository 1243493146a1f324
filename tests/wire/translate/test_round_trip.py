"""There and back: what a chat says, request or reply, is still said after it has been a response."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dwctl.wire.translate.back.reply import completion_of
from dwctl.wire.translate.back.request import response_request
from dwctl.wire.translate.echo import Call, echo_of
from dwctl.wire.translate.reply import response_of_chat
from dwctl.wire.translate.request import chat_request
from tests.fakes.responses import Body

Json = dict[str, Any]
TEXT = st.text(min_size=1, max_size=12)
NAME = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
SCHEMA = st.dictionaries(
    NAME, st.sampled_from([{"type": "string"}, {"type": "object", "x": [1, None]}]), max_size=2
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An object with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def text_part(text: str) -> Json:
    return {"type": "text", "text": text}


TEXTS = TEXT | st.lists(TEXT.map(text_part), min_size=2, max_size=3)
PARTS = (
    TEXT.map(text_part)
    | st.builds(
        lambda url, more: {"type": "image_url", "image_url": {"url": url, **more}},
        TEXT,
        some(detail=st.sampled_from(["low", "high"])),
    )
    | st.builds(
        lambda data, more: {"type": "file", "file": {"file_data": data, **more}}, TEXT, some(filename=TEXT)
    )
    | st.builds(lambda data: {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}, TEXT)
    | st.builds(lambda url: {"type": "video_url", "video_url": {"url": url}}, TEXT)
)
CALLS = st.lists(
    st.builds(
        lambda ident, name, arguments: {
            "id": ident,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        },
        NAME,
        NAME,
        TEXT,
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def turns(draw: st.DrawFn) -> list[Json]:
    """A user's message, the model's answer, the results of its calls."""
    content = draw(TEXT | st.lists(PARTS, min_size=2, max_size=3))
    messages: list[Json] = [
        {"role": draw(st.sampled_from(["user", "user", "developer"])), "content": content}
    ]
    if messages[0]["role"] == "developer":
        messages[0]["content"] = draw(TEXTS)
    calls = draw(st.none() | CALLS)
    answer: Json = {"role": "assistant", "content": draw(TEXT | st.none() if calls else TEXT)}
    if draw(st.booleans()):
        answer["reasoning_content"] = draw(TEXT)
    if calls:
        answer["tool_calls"] = calls
    messages.append(answer)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(TEXTS)} for call in calls or ()]
    return [*messages, *results]


FUNCTION: st.SearchStrategy[Json] = st.builds(
    lambda name, more: {"type": "function", "function": {"name": name, **more}},
    NAME,
    some(description=st.text(max_size=9), parameters=SCHEMA, strict=st.booleans()),
)
FORMATS = st.just({"type": "json_object"}) | st.builds(
    lambda name, schema, more: {
        "type": "json_schema",
        "json_schema": {"name": name, "schema": schema, **more},
    },
    NAME,
    SCHEMA,
    some(description=TEXT, strict=st.booleans()),
)
OPTIONS = some(
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1),
    presence_penalty=st.floats(-2, 2),
    frequency_penalty=st.floats(-2, 2),
    max_tokens=st.integers(1, 1 << 20),
    top_k=st.integers(0, 99),
    chat_template_kwargs=SCHEMA,
    user=TEXT,
    safety_identifier=TEXT,
    prompt_cache_key=TEXT,
    reasoning_effort=st.sampled_from(["none", "low", "max"]),
    verbosity=st.sampled_from(["low", "high"]),
    response_format=FORMATS,
)


@st.composite
def chats(draw: st.DrawFn) -> Json:
    """A request for a chat completion, in the form that the translation makes."""
    begin = draw(st.lists(st.builds(lambda text: {"role": "system", "content": text}, TEXTS), max_size=1))
    messages = [
        *begin,
        *(message for turn in draw(st.lists(turns(), min_size=1, max_size=3)) for message in turn),
    ]
    chat: Json = {"model": draw(NAME), "messages": messages, **draw(OPTIONS)}
    if draw(st.booleans()):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    tools = draw(st.lists(FUNCTION, max_size=3, unique_by=lambda tool: tool["function"]["name"]))
    if tools:
        chat["tools"] = tools
        one = {"type": "function", "function": {"name": tools[0]["function"]["name"]}}
        chat |= draw(
            some(
                tool_choice=st.sampled_from(["auto", "none", "required", one]),
                parallel_tool_calls=st.booleans(),
            )
        )
    most = draw(st.none() | st.integers(1, 20))
    if most is not None:
        chat |= {"logprobs": True, "top_logprobs": most}
    return chat


def spelled_out(chat: Json) -> Json:
    """The same request with what a chat leaves unsaid and the other API means differently."""
    for message in chat["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                part["image_url"].setdefault("detail", "auto")
    for tool in chat.get("tools", ()):
        tool["function"].setdefault("strict", False)
    return chat


@settings(deadline=None)
@given(chats())
def test_a_request_loses_nothing(chat: Json) -> None:
    there = response_request(msgspec.json.encode(chat))
    Body.taken(there)
    assert msgspec.json.decode(chat_request(there)) == spelled_out(chat)


TOKEN = st.fixed_dictionaries(
    {"token": TEXT, "logprob": st.sampled_from([-1.5, 0.0, -9999.0])},
    optional={"bytes": st.none() | st.lists(st.integers(0, 255), max_size=3)},
)
TOKENS = st.builds(lambda one, more: {**one, **more}, TOKEN, some(top_logprobs=st.lists(TOKEN, max_size=3)))
CITATIONS: st.SearchStrategy[Json] = st.builds(
    lambda url, more: {"type": "url_citation", "url_citation": {"url": url, **more}},
    TEXT,
    some(title=TEXT, start_index=st.integers(0, 9), end_index=st.integers(9, 99)),
)


@st.composite
def completions(draw: st.DrawFn) -> Json:
    """A whole answer."""
    message: Json = {"role": "assistant", "content": draw(TEXT | st.none())}
    finish = draw(st.sampled_from(["stop", "length", "content_filter"]))
    if draw(st.booleans()):
        message["refusal"] = draw(TEXT)
    calls = draw(st.none() | CALLS)
    if calls:
        for number, call in enumerate(calls):
            call["id"] = f"{number}{call['id']}"
        message["tool_calls"] = calls
        finish = "tool_calls" if finish == "stop" else finish
    if message["content"] is None and len(message) == 2:
        message["content"] = ""
    if draw(st.booleans()):
        message["reasoning_content"] = draw(TEXT)
        if message["content"] == "":
            message["content"] = draw(TEXT)
    choice: Json = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    if message["content"]:
        if draw(st.booleans()):
            message["annotations"] = draw(st.lists(CITATIONS, min_size=1, max_size=3))
        if draw(st.booleans()):
            choice["logprobs"] = {"content": draw(st.lists(TOKENS, min_size=1, max_size=3))}
    given_, made = draw(st.integers(0, 99)), draw(st.integers(0, 99))
    usage = {
        "prompt_tokens": given_,
        "completion_tokens": made,
        "total_tokens": given_ + made,
        "prompt_tokens_details": {
            "cached_tokens": draw(st.integers(0, given_)),
            "cache_write_tokens": draw(st.integers(0, given_)),
        },
        "completion_tokens_details": {"reasoning_tokens": draw(st.integers(0, made))},
    }
    return {
        "id": "resp_1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [choice],
        "usage": usage,
        "service_tier": "default",
    }


@settings(deadline=None)
@given(completions())
def test_a_reply_loses_nothing(completion: Json) -> None:
    call = Call(ident="1", created_at=7, model="m")
    made = response_of_chat(completion, call, echo_of(b"{}"), 9)
    assert made is not None
    assert completion_of(made) == completion
