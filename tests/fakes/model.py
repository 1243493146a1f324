"""How a well-behaved model server answers: a function from request to answer, with the habits of real servers."""

from typing import Any

import msgspec

from tests.fakes.answers import Answer, Framing, frames, json_reply, stream_reply
from tests.fakes.incoming import Request
from tests.fakes.shapes import (
    Json,
    chat_chunks,
    chat_completion,
    completion,
    embeddings,
    error,
    models,
    response,
    response_events,
)

MODEL = "fake-model"


class ModelServer(msgspec.Struct, frozen=True, kw_only=True):
    """Chat, completions, embeddings, Responses and the model list, streamed or whole."""

    models: tuple[str, ...] = (MODEL,)
    text: str = "Hello from the fake model."
    """The answer; each word counts as one token, and `max_tokens` cuts it."""
    key: str | None = None
    """The whole value of `key_header` that a request needs, such as `Bearer sk-upstream`."""
    key_header: str = "authorization"
    head_delay: float = 0.0
    """Seconds before the answer begins."""
    chunk_gap: float = 0.0
    """Seconds before each event of a stream."""
    usage_on_finish: bool = False
    """Usage stands on the chunk with `finish_reason`, asked for or not (`transformers serve`)."""
    done: bool = True
    """Whether chat streams end with `[DONE]`; `transformers serve` sends none."""
    headers: tuple[tuple[str, str], ...] = (("server", "fake"), ("x-request-id", "upstream-request"))

    def __call__(self, request: Request) -> Answer:
        """The answer to one request."""
        answer = self._answer(request)
        return answer.delayed(self.head_delay) if self.head_delay else answer

    def _answer(self, request: Request) -> Answer:
        if self.key is not None and request.header(self.key_header) != self.key:
            return self._refuse(401, "Incorrect API key provided.", code="invalid_api_key")
        if request.method == "GET" and request.path == "/v1/models":
            return json_reply(models(self.models), headers=self.headers)
        routes = {
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._completion,
            "/v1/embeddings": self._embeddings,
            "/v1/responses": self._response,
        }
        route = routes.get(request.path)
        if route is None:
            return self._refuse(404, f"Unknown URL ({request.method} {request.path}).", code="unknown_url")
        if request.method != "POST":
            return self._refuse(405, f"Not allowed method for {request.path}.")
        body = request.json()
        if body.get("model") not in self.models:
            return self._refuse(404, "The model does not exist.", param="model", code="model_not_found")
        return route(body)

    def _refuse(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> Answer:
        return json_reply(error(message, param=param, code=code), status=status, headers=self.headers)

    def _pieces(self, body: Json) -> tuple[list[str], str]:
        """The words of the answer with their spaces, and why it ended."""
        words = [word if not at else f" {word}" for at, word in enumerate(self.text.split())]
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
        return words[:limit], "stop" if limit >= len(words) else "length"

    def _chat(self, body: Json) -> Answer:
        if not body.get("messages"):
            code = "missing_required_parameter"
            return self._refuse(400, "Missing required parameter: 'messages'.", param="messages", code=code)
        pieces, reason = self._pieces(body)
        prompt = sum(_words(message.get("content")) for message in body["messages"])
        if not body.get("stream"):
            whole = chat_completion(
                body["model"],
                "".join(pieces),
                prompt=prompt,
                completion=len(pieces),
                finish_reason=reason,
            )
            return json_reply(whole, headers=self.headers)
        chunks = chat_chunks(
            body["model"],
            pieces,
            include_usage=_include_usage(body) and not self.usage_on_finish,
            usage_on_finish=self.usage_on_finish,
            prompt=prompt,
            finish_reason=reason,
        )
        return self._stream(frames(chunks, done=self.done))

    def _completion(self, body: Json) -> Answer:
        pieces, reason = self._pieces(body)
        prompt = _words(body.get("prompt"))
        whole = completion(
            body["model"], "".join(pieces), prompt=prompt, tokens=len(pieces), finish_reason=reason
        )
        if not body.get("stream"):
            return json_reply(whole, headers=self.headers)
        values: list[Json] = []
        for at, piece in enumerate(pieces):
            end = reason if at == len(pieces) - 1 else None
            choice = {"index": 0, "text": piece, "logprobs": None, "finish_reason": end}
            values.append({**whole, "choices": [choice], "usage": None})
        if _include_usage(body):
            values.append({**whole, "choices": []})
        return self._stream(frames(values, done=self.done))

    def _embeddings(self, body: Json) -> Answer:
        given = body.get("input")
        if not given:
            code = "missing_required_parameter"
            return self._refuse(400, "Missing required parameter: 'input'.", param="input", code=code)
        inputs = given if isinstance(given, list) else [given]
        value = embeddings(
            body["model"],
            inputs,
            dimensions=body.get("dimensions") or 8,
            as_base64=body.get("encoding_format") == "base64",
        )
        return json_reply(value, headers=self.headers)

    def _response(self, body: Json) -> Answer:
        pieces, _ = self._pieces({"max_tokens": body.get("max_output_tokens")})
        prompt = _words(body.get("input"))
        if body.get("stream"):
            events = response_events(body["model"], pieces, prompt=prompt)
            return self._stream(frames(events, named=True))
        whole = response(body["model"], "".join(pieces), prompt=prompt, completion=len(pieces))
        echoed = {name: value for name, value in body.items() if name in whole and name != "service_tier"}
        return json_reply(whole | echoed, headers=self.headers)

    def _stream(self, events: list[bytes]) -> Answer:
        return stream_reply(events, framing=Framing.CHUNKED, headers=self.headers, gap=self.chunk_gap)


def _include_usage(body: Json) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


def _words(content: Any) -> int:
    """Words in a string, in the texts of content parts or in the messages of an input."""
    if isinstance(content, str):
        return len(content.split())
    if isinstance(content, list):
        return sum(_words(part) for part in content)
    if isinstance(content, dict):
        return _words(content.get("text") or content.get("content"))
    return 0
