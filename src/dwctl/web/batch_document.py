"""What the AI API's OpenAPI document says of batches."""

from collections.abc import Callable
from typing import Any

Ok = Callable[[str, str], dict[str, Any]]
Errors = Callable[..., dict[str, Any]]

_PATH = "/ai/v1/batches"


def batch_paths(ok: Ok, errors: Errors) -> dict[str, Any]:
    """Every route; `ok` and `errors` make answers."""
    of = {
        "name": "batch_id",
        "in": "path",
        "required": True,
        "description": "A UUID; the prefix `batch_` may stand before it",
        "schema": {"type": "string"},
    }

    def one(summary: str, operation: str, answer: dict[str, Any], *statuses: str) -> dict[str, Any]:
        return {
            "summary": summary,
            "operationId": operation,
            "tags": ["batches"],
            "parameters": [of],
            "responses": {**answer, **errors(*statuses, "401", "403", "404")},
        }

    batch = {"200": ok("The batch", "Batch")}
    results = one(
        "Get the requests of a batch, each with what has become of it",
        "getBatchResults",
        {
            "200": {
                "description": "A JSON object on each line, in the order of the file",
                "headers": {
                    "X-Incomplete": _header("`true` while the batch runs"),
                    "X-Last-Line": _header("The `skip` to go on with; not with `search` or `status`"),
                },
                "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            }
        },
        "400",
    )
    results["parameters"] = [of, *map(_query, ("skip", "limit", "search", "status"))]
    retry_some = one("Run some requests of a batch again", "retryBatchRequests", batch, "400")
    retry_some["requestBody"] = _body("RetryRequests")
    return {
        _PATH: {
            "post": {
                "summary": "Create a batch",
                "description": "Of a file of the purpose `batch`, to be done within `completion_window`. A repeated "
                "call with the same `Idempotency-Key` gives the batch that the first one made.",
                "operationId": "createBatch",
                "tags": ["batches"],
                "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}],
                "requestBody": _body("BatchCreate"),
                "responses": {
                    "201": ok("The batch", "Batch"),
                    **errors("400", "401", "402", "403", "404", "422", "429"),
                },
            },
            "get": {
                "summary": "List batches, the newest first",
                "operationId": "listBatches",
                "tags": ["batches"],
                "parameters": [
                    *map(
                        _query,
                        ("after", "limit", "search", "include", "member_id", "status", "created_after"),
                    ),
                    *map(
                        _query, ("created_before", "active_first", "completion_window", "endpoint", "model")
                    ),
                ],
                "responses": {"200": ok("A page", "BatchList"), **errors("400", "401", "403")},
            },
        },
        f"{_PATH}/{{batch_id}}": {
            "get": one("Get a batch", "getBatch", batch),
            "delete": one(
                "Cancel a batch and delete it", "deleteBatch", {"204": {"description": "It is gone"}}
            ),
        },
        f"{_PATH}/{{batch_id}}/analytics": {
            "get": one(
                "Get what a batch has come to",
                "getBatchAnalytics",
                {"200": ok("Its totals", "BatchAnalytics")},
            )
        },
        f"{_PATH}/{{batch_id}}/results": {"get": results},
        f"{_PATH}/{{batch_id}}/cancel": {"post": one("Cancel a batch", "cancelBatch", batch)},
        f"{_PATH}/{{batch_id}}/retry": {
            "post": one("Run the requests of a batch that have failed again", "retryBatch", batch, "400")
        },
        f"{_PATH}/{{batch_id}}/retry-requests": {"post": retry_some},
    }


def batch_schemas() -> dict[str, Any]:
    """Of bodies and answers."""
    text, number, nullable = {"type": "string"}, {"type": "integer"}, {"type": ["integer", "null"]}
    stamps = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    statuses = ["validating", "failed", "in_progress", "completed", "cancelling", "cancelled"]
    strings = {"type": "object", "additionalProperties": text}
    fields = {
        "id": {"type": "string", "format": "uuid"},
        "object": {"const": "batch"},
        "endpoint": text,
        "errors": {"type": ["object", "null"]},
        "input_file_id": {"type": ["string", "null"]},
        "completion_window": text,
        "status": {"enum": statuses},
        "output_file_id": text,
        "error_file_id": text,
        "created_at": number,
        "expires_at": number,
        **{f"{name}_at": nullable for name in stamps},
        "request_counts": _object({"total": number, "completed": number, "failed": number}),
        "metadata": strings,
        "usage": {"type": "object"},
        "dwext": {"type": "object"},
    }
    expiry = _object({"anchor": {"const": "created_at"}, "seconds": number})
    totals = ("requests", "prompt_tokens", "completion_tokens", "reasoning_tokens")
    analytics = {
        **{f"total_{name}": number for name in (*totals, "tokens")},
        "avg_duration_ms": {"type": ["number", "null"]},
        "avg_ttfb_ms": {"type": ["number", "null"]},
        "total_cost": text,
    }
    create = _object({"input_file_id": text, "endpoint": text, "completion_window": text})
    create["properties"] |= {"metadata": strings, "output_expires_after": expiry}
    ident = {"type": ["string", "null"]}
    return {
        "Batch": _object(fields),
        "BatchCreate": create,
        "BatchAnalytics": _object(analytics),
        "BatchList": _object(
            {
                "object": {"const": "list"},
                "data": {"type": "array", "items": {"$ref": "#/components/schemas/Batch"}},
                "first_id": ident,
                "last_id": ident,
                "has_more": {"type": "boolean"},
            }
        ),
        "RetryRequests": _object({"request_ids": {"type": "array", "items": text}}),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def _body(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"required": True, "content": content}


def _query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string"}}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}
