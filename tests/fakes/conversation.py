"""A model server that knows chat completions only, and what was said before: it answers by the conversation.

Told a name it remembers it, asked for the weather it calls the tool `get_weather` if it has it, asked for a schema it
fills it in, and asked to count it counts slowly. So a client's whole round can be told from its last words.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.fakes.answers import Answer, frames, json_reply, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.shapes import CREATED, Json, chat_chunks, chat_completion, error, models, usage

MODEL = "conversation-model"
OTHER = "other-conversation-model"
"""The same by another name."""
TOOL = "get_weather"
_NAME = re.compile(r"[Mm]y name is (\w+)")


class ConversationServer(msgspec.Struct, frozen=True, kw_only=True):
    """`upstream_in_thread(ConversationServer())`."""

    count_gap: float = 0.2
    """Seconds between two numbers."""

    def __call__(self, request: Request) -> Answer:
        """The answer to one request."""
        if request.method == "GET" and request.path == "/v1/models":
            return json_reply(models((MODEL, OTHER)))
        if request.method != "POST" or request.path != "/v1/chat/completions":
            return json_reply(error(f"Unknown URL ({request.method} {request.path})."), status=404)
        body = request.json()
        messages = body["messages"]
        said = [_text(message) for message in messages]
        asked = said[-1].lower()
        streams = bool(body.get("stream"))
        if messages[-1]["role"] == "tool":
            return self._say(f"The weather: {said[-1]}.", streams)
        if "weather" in asked and any(_name_of(tool) == TOOL for tool in body.get("tools") or ()):
            return _calls(streams)
        if "count" in asked:
            return self._say("1 2 3 4 5 6 7 8 9 10", streams, self.count_gap)
        if "json_schema" in (body.get("response_format") or {}):
            return self._say('{"city":"Paris","degrees":21}', streams)
        if "who am i" in asked:
            names = [name for text in said for name in _NAME.findall(text)]
            return self._say(f"You are {names[-1]}." if names else "I do not know.", streams)
        return self._say("Hello to you.", streams)

    @staticmethod
    def _say(text: str, streams: bool, gap: float = 0.0) -> Answer:
        pieces = [word if not at else f" {word}" for at, word in enumerate(text.split())]
        if not streams:
            whole = json_reply(chat_completion(MODEL, text, prompt=9, completion=len(pieces)))
            return whole.delayed(gap * len(pieces)) if gap else whole
        return stream_reply(frames(chat_chunks(MODEL, pieces, include_usage=True)), gap=gap)


def _calls(streams: bool) -> Answer:
    """A call of the tool, its arguments in pieces when it is streamed."""
    pieces = ('{"city"', ':"Paris"}')
    if not streams:
        whole = chat_completion(MODEL, "", finish_reason="tool_calls")
        call = {"id": "call_1", "type": "function", "function": {"name": TOOL, "arguments": "".join(pieces)}}
        whole["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
        return json_reply(whole)
    deltas: list[Json] = [{"role": "assistant", "content": None}]
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": TOOL, "arguments": ""}}
    deltas.append({"tool_calls": [first]})
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    chunks = [_chunk(delta) for delta in deltas]
    chunks += [_chunk({}, "tool_calls"), {**_chunk({}), "choices": [], "usage": usage(9, 5)}]
    return stream_reply(frames(chunks))


def _chunk(delta: Json, reason: str | None = None) -> Json:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


def _text(message: dict[str, Any]) -> str:
    content: str | Sequence[dict[str, Any]] | None = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    return " ".join(str(part.get("text", "")) for part in content)


def _name_of(tool: dict[str, Any]) -> str:
    return str((tool.get("function") or {}).get("name"))
