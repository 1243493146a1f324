"""Sums up a conversation by one call of the model (spec/wire-api §1.10).

The call is the key's own, through the gateway's pipeline in this process: admitted, limited, recorded and charged as
any other; its id is the answer's. A model that speaks Responses itself is asked so, any other by a chat completion.
Nothing is kept here: the client carries the summary, sealed for its account (wire/compaction.py). If the process dies,
the call was interrupted, as any is, and the client asks again.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest, NotFound
from dwctl.core.ids import new_id
from dwctl.engine.responses.actions import ResponseActions
from dwctl.engine.responses.compact.transcript import chat_body, response_body, summary_in, transcript
from dwctl.identity.store import KeyAccount
from dwctl.requests.items import input_items, items_of
from dwctl.requests.reassemble import object_of
from dwctl.requests.render import response_object
from dwctl.requests.store import StoredRequest
from dwctl.routing.snapshot import Routing
from dwctl.usage.meter import of_reply
from dwctl.wire.compaction import KIND, Compactions
from dwctl.wire.errors import Problem, Refused
from dwctl.wire.inference import Inference

CHAT = "/ai/v1/chat/completions"
RESPONSES = "/ai/v1/responses"
MOST_TURNS = 1000
"""Responses that a conversation is followed back."""
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
        responses: ResponseActions,
        inference: Inference,
        routing: Routing,
        compactions: Compactions,
        clock: Clock,
    ) -> None:
        self._responses = responses
        self._inference = inference
        self._routing = routing
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
        items = await self._before(key, asked.previous_response_id)
        own = items_of(asked.input)
        items += own
        if not items:
            raise BadRequest(
                "There is no conversation: expected 'input' or 'previous_response_id'.",
                param="input",
                code="missing_required_parameter",
            )
        text = transcript(
            [self._compactions.opened_item(item, account, f"input[{n}]") for n, item in enumerate(items)]
        )
        if self._speaks_responses(named):
            path, call = RESPONSES, response_body(named, text, asked.instructions, asked.prompt_cache_key)
        else:
            path, call = CHAT, chat_body(named, text, asked.instructions)
        reply = await self._call(path, digest, call, scope, receive)
        if reply.status >= 300:
            return reply
        return self._resource(reply, account)

    def _speaks_responses(self, name: str) -> bool:
        model = self._routing.snapshot.models.get(name)
        return model is not None and bool(model.targets) and not model.targets[0].adapts_responses

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

    async def _call(self, path: str, digest: bytes, body: bytes, scope: Any, receive: Receive) -> Reply:
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
            await self._inference.run(path, digest, inner, asked, answered)
        except* OSError as cut:
            raise Refused(_NO_SUMMARY) from cut
        return reply

    async def _before(self, key: KeyAccount, response_id: str | None) -> list[Any]:
        """The items of the responses that the conversation consists of, oldest first."""
        turns: list[list[Any]] = []
        while response_id is not None:
            if len(turns) >= MOST_TURNS:
                raise BadRequest(
                    f"previous_response_id: expected a conversation of at most {MOST_TURNS} responses",
                    param="previous_response_id",
                    code="invalid_value",
                )
            row = await self._own(key, response_id)
            output = response_object(row)["output"]
            turns.append([*input_items(row.id, row.request), *(output if isinstance(output, list) else ())])
            before = (object_of(row.request or b"") or {}).get("previous_response_id")
            response_id = before if isinstance(before, str) else None
        return [item for turn in reversed(turns) for item in turn]

    async def _own(self, key: KeyAccount, response_id: str) -> StoredRequest:
        try:
            return await self._responses.row_of(key.user_id, response_id)
        except NotFound as error:
            raise BadRequest(
                f"Previous response with id '{response_id[:100]}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            ) from error


def _asked(body: bytes) -> Compact:
    try:
        return msgspec.json.decode(body, type=Compact)
    except msgspec.ValidationError as error:
        place = str(error).rpartition("`$.")[2].rstrip("`") if "`$." in str(error) else None
        raise BadRequest(f"The body cannot be read: {error}", param=place, code="invalid_type") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("The body is not valid JSON.") from error
