"""Sums up a conversation by one call of the model (spec/wire-api §1.10).

The call is the key's own, through the gateway's pipeline in this process: admitted, limited, recorded and charged as
any other; its id is the answer's. Nothing else is kept here: the client carries the summary, sealed for its account
(wire/compaction.py). If the process dies, the call was interrupted, as any is, and the client asks again.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest
from dwctl.core.ids import new_id
from dwctl.engine.responses.compact.transcript import response_body, summary_in, transcript
from dwctl.engine.responses.history import History
from dwctl.identity.store import KeyAccount
from dwctl.requests.items import items_of
from dwctl.requests.reassemble import object_of
from dwctl.usage.meter import of_reply
from dwctl.wire.compaction import KIND, Compactions
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.inference import Inference

PATH = "/ai/v1/responses"
_OVERRIDE = b"model-override"
_OF_THE_BODY = frozenset(
    {b"content-type", b"content-length", b"content-encoding", b"transfer-encoding", b"accept-encoding"}
)
_NO_SUMMARY = Problem(
    status=502,
    message="The model gave no summary of the conversation.",
    type="server_error",
    code="upstream_error",
)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Compact(msgspec.Struct, frozen=True):
    """What a client asks with; other fields have no meaning here."""

    model: str | None = None
    input: str | list[Any] | None = None
    previous_response_id: str | None = None
    instructions: str | None = None
    prompt_cache_key: str | None = None


class Reply(msgspec.Struct):
    """The gateway's answer, as it came."""

    status: int = 502
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The first of a name."""
        return next((value for found, value in self.headers if found.lower() == name), None)


class Compacting:
    """The rules."""

    def __init__(
        self,
        history: History,
        inference: Inference,
        compactions: Compactions,
        clock: Clock,
    ) -> None:
        self._history = history
        self._inference = inference
        self._compactions = compactions
        self._clock = clock

    async def compact(
        self, key: KeyAccount, digest: bytes, body: bytes, scope: Any, receive: Receive
    ) -> Reply:
        """The compaction, or what the call that makes it was refused with; raises `Error` and `Refused`."""
        asked = _asked(body)
        headers = scope["headers"]
        named = next((value.decode("latin-1") for name, value in headers if name == _OVERRIDE), asked.model)
        if not named:
            raise BadRequest(
                "Missing required parameter: 'model'.", param="model", code="missing_required_parameter"
            )
        account = str(key.user_id)
        items: list[Any] = []
        if asked.previous_response_id is not None:
            before = await self._history.chain(asked.previous_response_id, key.user_id)
            items = [msgspec.json.decode(item) for item in before]
        items += items_of(asked.input)
        if not items:
            raise BadRequest(
                "There is no conversation: expected 'input' or 'previous_response_id'.",
                param="input",
                code="missing_required_parameter",
            )
        text = transcript(
            [self._compactions.opened_item(item, account, f"input[{n}]") for n, item in enumerate(items)]
        )
        call = response_body(named, text, asked.instructions, asked.prompt_cache_key)
        reply = await self._call(digest, call, scope, receive)
        if reply.status >= 300:
            return reply
        return self._resource(reply, account)

    def _resource(self, reply: Reply, account: str) -> Reply:
        found = object_of(reply.body) or {}
        summary = summary_in(found)
        if not summary:
            raise Refused(_NO_SUMMARY)
        used = of_reply(reply.body)
        given, made = used.prompt_tokens or 0, used.completion_tokens or 0
        ident = (reply.header(b"x-onwards-response-id") or f"resp_{new_id()}".encode()).decode()
        item = {
            "id": f"cmp_{new_id()}",
            "type": KIND,
            "encrypted_content": self._compactions.sealed(account, summary),
        }
        shown = {
            "id": ident,
            "object": "response.compaction",
            "created_at": int(self._clock.now()),
            "output": [item],
            "usage": {
                "input_tokens": given,
                "input_tokens_details": {
                    "cached_tokens": used.cached_tokens or 0,
                    "cache_write_tokens": used.cache_write_tokens or 0,
                },
                "output_tokens": made,
                "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens or 0},
                "total_tokens": used.total_tokens or given + made,
            },
        }
        reply.body = msgspec.json.encode(shown)
        return reply

    async def _call(self, digest: bytes, body: bytes, scope: Any, receive: Receive) -> Reply:
        reply = Reply()
        left: list[bytes] = [body]

        async def asked() -> Message:
            if left:
                return {"type": "http.request", "body": left.pop(), "more_body": False}
            return await receive()

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                reply.status, reply.headers = message["status"], list(message["headers"])
            else:
                reply.body += message.get("body", b"")

        headers = [pair for pair in scope["headers"] if pair[0] not in _OF_THE_BODY]
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        inner = {**scope, "method": "POST", "headers": headers, "query_string": b""}
        try:
            await self._inference.run(PATH, digest, inner, asked, answered)
        except* OSError as cut:
            raise Refused(_NO_SUMMARY) from cut
        return reply


def _asked(body: bytes) -> Compact:
    try:
        return msgspec.json.decode(body, type=Compact)
    except msgspec.ValidationError as error:
        place = str(error).rpartition("`$.")[2].rstrip("`") if "`$." in str(error) else None
        raise BadRequest(f"The body cannot be read: {error}", param=place, code="invalid_type") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("The body is not valid JSON.") from error
