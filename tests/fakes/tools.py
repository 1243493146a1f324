"""What stands for tools and for a model that calls them, over real HTTP.

A `ToolServer` answers as a function of the arguments, by the path that it is asked at; a `Caller` is a model server
that calls the tools which a script names, one entry for each time that it is asked, and then says something.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.fakes import shapes
from tests.fakes.answers import Answer, frames, json_reply, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.model import ModelServer
from tests.fakes.shapes import Json

Function = Callable[[Json], Json]
Turn = Sequence[tuple[str, Json | str]]
"""Names of the functions that are called, and their arguments."""
USAGE: Json = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


class ToolServer:
    """Answers a `FakeUpstream`'s requests."""

    def __init__(self, **functions: Function | Answer) -> None:
        self.functions = functions

    def __call__(self, request: Request) -> Answer:
        """One call of a tool: the last part of the path is its name."""
        found = self.functions[request.path.rpartition("/")[2]]
        return found if isinstance(found, Answer) else json_reply(found(request.json()))


class Caller:
    """A model server that knows only chat completions and calls functions by a script."""

    def __init__(
        self, *turns: Turn, text: str = "All done.", says: str = "", finish: str = "tool_calls"
    ) -> None:
        self.turns = turns
        self.finish = finish
        """Why an answer ends that calls something."""
        self.text = text
        self.says = says
        """What the model says before it calls."""
        self.asked: list[Json] = []

    def __call__(self, request: Request) -> Answer:
        """The next turn; whoever looks for models finds the usual one."""
        if request.method != "POST":
            return ModelServer()(request)
        asked: Json = request.json()
        number = sum(1 for message in asked["messages"] if message["role"] == "assistant")
        self.asked.append(asked)
        turn = self.turns[number] if number < len(self.turns) else ()
        calls = [
            {
                "index": index,
                "id": f"call_{index}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": given if isinstance(given, str) else msgspec.json.encode(given).decode(),
                },
            }
            for index, (name, given) in enumerate(turn)
        ]
        text = self.says if calls else self.text
        finish = self.finish if calls else "stop"
        if asked.get("stream"):
            return stream_reply(frames(_chunks(text, calls, finish)))
        made = shapes.chat_completion(asked["model"], text, finish_reason=finish)
        if calls:
            made["choices"][0]["message"] |= {"content": text or None, "tool_calls": calls}
        made["usage"] = USAGE
        return json_reply(made)


def _chunks(text: str, calls: list[Json], finish: str) -> list[Json]:
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in re.findall(r"\S+\s*", text)]
    deltas += [{"tool_calls": [call]} for call in calls]
    chunks: list[Any] = [
        {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return [*chunks, {"id": "c", "choices": [], "usage": USAGE}]
