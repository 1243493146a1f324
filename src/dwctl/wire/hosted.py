"""Calls of the server's tools among the items of a response (decision 0042). Pure.

They have the type that the API has for tools which its own server runs: `mcp_call`, one item with the arguments and the
result, under a label of ours. Clients read it as done; a `function_call` they would try to run themselves.

Model servers know nothing of it. In a later call such an item is opened for them: into the call and its output, as the
model was told of them when it called. Items of a model server's own have its label and go to it as they came.
"""

from typing import Any

import msgspec

from dwctl.wire.loose import FAULTS, string_of

Json = dict[str, Any]
KIND = "mcp_call"
LABEL = "dwctl"
MARK = b'"mcp_call"'
"""Stands in a body that has such an item; one without it need not be read."""
NOT_RUN = "Error: the tool was not run."
"""The output of a call that has none: the response ended before."""
_encode = msgspec.json.Encoder().encode


class _Body(msgspec.Struct):
    input: list[msgspec.Raw] | str | None = None


class _Item(msgspec.Struct):
    type: str | None = None
    server_label: str | None = None
    id: str | None = None
    name: str = ""
    arguments: str = ""
    output: str | None = None


_body = msgspec.json.Decoder(_Body).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_item = msgspec.json.Decoder(_Item).decode


def call_item(ident: str, call: Json) -> Json:
    """A call of a function as a call of ours, until it has run."""
    return {
        "id": ident,
        "type": KIND,
        "status": "in_progress",
        "server_label": LABEL,
        "name": string_of(call.get("name")),
        "arguments": string_of(call.get("arguments")),
        "output": None,
        "error": None,
        "approval_request_id": None,
    }


def is_open(item: Json) -> bool:
    """Whether it is a call of ours that has not ended."""
    ours = item.get("type") == KIND and item.get("server_label") == LABEL
    return ours and item.get("status") == "in_progress"


def opened(body: bytes) -> bytes:
    """A Responses request with our calls opened; all other items stay byte by byte."""
    if MARK not in body:
        return body
    try:
        given, fields = _body(body).input, _fields(body)
    except FAULTS:
        # The model server has the words for what is wrong.
        return body
    if not isinstance(given, list):
        return body
    fields["input"] = msgspec.Raw(b"[%b]" % b",".join(opened_items(given)))
    return _encode(fields)


def opened_items(given: list[msgspec.Raw]) -> list[bytes]:
    """The same of the items alone.

    Each call is followed by its output. Behind a call of a function of the client's the outputs wait for the last call
    beside it: what answers the client's comes then, and belongs to the same turn of the model.
    """
    found: list[bytes] = []
    outputs: list[bytes] = []
    beside = False
    for place, raw in enumerate(given):
        item = _read(raw)
        if item.type == KIND and item.server_label == LABEL:
            call_id = item.id or f"mcp_{place}"
            call = {
                "type": "function_call",
                "call_id": call_id,
                "name": item.name,
                "arguments": item.arguments,
            }
            found.append(_encode(call))
            output = NOT_RUN if item.output is None else item.output
            told = _encode({"type": "function_call_output", "call_id": call_id, "output": output})
            (outputs if beside else found).append(told)
            continue
        beside = item.type == "function_call"
        if not beside:
            found += outputs
            outputs = []
        found.append(bytes(raw))
    return found + outputs


def _read(raw: msgspec.Raw) -> _Item:
    try:
        return _item(raw)
    except FAULTS:
        return _Item()
