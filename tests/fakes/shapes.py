"""What an OpenAI-compatible model server says, with every field of the public schemas (spec/wire-api §2). Pure."""

import base64
import struct
from collections.abc import Iterator, Sequence
from hashlib import sha256
from math import sqrt
from typing import Any

Json = dict[str, Any]
CREATED = 1_800_000_000
FINGERPRINT = "fp_fake"


def usage(prompt: int, completion: int) -> Json:
    """Token counts of a chat completion."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def chat_completion(
    model: str, text: str, *, prompt: int = 9, completion: int = 5, finish_reason: str = "stop"
) -> Json:
    """A whole answer of `/v1/chat/completions`."""
    message: Json = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": usage(prompt, completion),
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def chat_chunks(
    model: str,
    pieces: Sequence[str],
    *,
    include_usage: bool = False,
    usage_on_finish: bool = False,
    prompt: int = 9,
    finish_reason: str = "stop",
) -> list[Json]:
    """The chunks of a streamed answer, one for each piece, framed by the role and the end.

    `include_usage`: OpenAI's way, a last chunk without choices has the usage and all others `usage: null`.
    `usage_on_finish`: the way of `transformers serve`, the chunk with `finish_reason` has it.
    """

    def chunk(delta: Json, reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        value: Json = {**base, "choices": [choice]}
        if include_usage:
            value["usage"] = None
        return value

    base: Json = {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    counted = usage(prompt, len(pieces))
    chunks = [chunk({"role": "assistant", "content": "", "refusal": None})]
    chunks += [chunk({"content": piece}) for piece in pieces]
    chunks.append(chunk({}, finish_reason))
    if usage_on_finish:
        chunks[-1]["usage"] = counted
    elif include_usage:
        chunks.append({**base, "choices": [], "usage": counted})
    return chunks


def completion(
    model: str, text: str, *, prompt: int = 9, tokens: int = 5, finish_reason: str = "stop"
) -> Json:
    """A whole answer of the older `/v1/completions`; its stream has the same shape in each chunk."""
    return {
        "id": "cmpl-fake",
        "object": "text_completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}],
        "usage": usage(prompt, tokens),
        "system_fingerprint": FINGERPRINT,
    }


def vector(text: str, dimensions: int) -> list[float]:
    """A unit vector that depends on the text alone."""
    seed = b"".join(sha256(f"{block}:{text}".encode()).digest() for block in range(-(-dimensions // 16)))
    values = [value / 32768 - 1 for value in struct.unpack(f"<{dimensions}H", seed[: 2 * dimensions])]
    length = sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def embeddings(model: str, inputs: Sequence[str], *, dimensions: int = 8, as_base64: bool = False) -> Json:
    """An answer of `/v1/embeddings`; base64 is float32, little-endian, as OpenAI packs it."""

    def shown(values: list[float]) -> list[float] | str:
        packed = struct.pack(f"<{len(values)}f", *values)
        return base64.b64encode(packed).decode() if as_base64 else values

    data = [
        {"object": "embedding", "index": index, "embedding": shown(vector(text, dimensions))}
        for index, text in enumerate(inputs)
    ]
    tokens = sum(len(text.split()) for text in inputs)
    counted = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": counted}


def models(names: Sequence[str]) -> Json:
    """An answer of `GET /v1/models`."""
    data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "fake"} for name in names]
    return {"object": "list", "data": data}


def error(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> Json:
    """OpenAI's error envelope, all four keys."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def output_message(text: str, status: str = "completed") -> Json:
    """The one item of a text answer."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    content = [part] if status == "completed" else []
    return {"id": "msg_fake", "type": "message", "status": status, "role": "assistant", "content": content}


def response(
    model: str, text: str, *, status: str = "completed", prompt: int = 9, completion: int = 5
) -> Json:
    """A Response object with all the keys that Open Responses requires; `in_progress` has no output yet."""
    done = status == "completed"
    counted = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + completion,
    }
    return {
        "id": "resp_fake",
        "object": "response",
        "created_at": CREATED,
        "completed_at": CREATED + 1 if done else None,
        "status": status,
        "incomplete_details": None,
        "model": model,
        "previous_response_id": None,
        "instructions": None,
        "output": [output_message(text)] if done else [],
        "error": None,
        "tools": [],
        "tool_choice": "auto",
        "truncation": "disabled",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}},
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_logprobs": 0,
        "temperature": 1.0,
        "reasoning": {"effort": None, "summary": None},
        "usage": counted if done else None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "store": True,
        "background": False,
        "service_tier": "default",
        "metadata": {},
        "safety_identifier": None,
        "prompt_cache_key": None,
    }


def response_events(model: str, pieces: Sequence[str], *, prompt: int = 9) -> list[Json]:
    """The events of a streamed Response in the order of spec/wire-api §1.6, numbered from 0."""
    text = "".join(pieces)
    begun = response(model, text, status="in_progress")
    at_part = {"item_id": "msg_fake", "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}

    def bodies() -> Iterator[Json]:
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        yield {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": output_message("", "in_progress"),
        }
        yield {"type": "response.content_part.added", **at_part, "part": empty}
        for piece in pieces:
            yield {"type": "response.output_text.delta", **at_part, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **at_part, "text": text, "logprobs": []}
        yield {"type": "response.content_part.done", **at_part, "part": {**empty, "text": text}}
        yield {"type": "response.output_item.done", "output_index": 0, "item": output_message(text)}
        final = response(model, text, prompt=prompt, completion=len(pieces))
        yield {"type": "response.completed", "response": final}

    return [{**body, "sequence_number": number} for number, body in enumerate(bodies())]
