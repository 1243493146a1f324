"""Files in the AI API's OpenAPI document."""

from typing import Any

from dwctl.web.document_parts import errors, ok, path_parameter, query_parameter

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_MOMENT = {"type": "integer", "description": "Unix seconds"}
_ID = {"type": "string", "format": "uuid"}
_NULLABLE = {"type": ["string", "null"]}

_FILE = {
    "id": _ID,
    "object": {"const": "file"},
    "bytes": _COUNT,
    "created_at": _MOMENT,
    "filename": _TEXT,
    "purpose": {
        "enum": ["batch", "batch_output", "batch_error", "user_data", "vision", "assistants", "evals"],
    },
    "status": {"const": "processed"},
    "expires_at": {"type": ["integer", "null"], "description": "Unix seconds"},
    "created_by_email": _NULLABLE,
    "context_name": _NULLABLE,
    "context_type": {"enum": ["personal", "organization"]},
    "source": _NULLABLE,
    "source_name": _NULLABLE,
}
_ESTIMATED = {"estimated_input_tokens": _COUNT, "estimated_output_tokens": _COUNT, "estimated_cost": _TEXT}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


FILE_SCHEMAS = {
    "File": _object(_FILE),
    "FileList": _object(
        {
            "object": {"const": "list"},
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/File"}},
            "first_id": _NULLABLE,
            "last_id": _NULLABLE,
            "has_more": {"type": "boolean"},
        }
    ),
    "FileDeleted": _object({"id": _ID, "object": {"const": "file"}, "deleted": {"const": True}}),
    "CostEstimate": _object(
        {
            "file_id": _ID,
            "completion_window": _TEXT,
            "total_requests": _COUNT,
            **{f"total_{name}": schema for name, schema in _ESTIMATED.items()},
            "models": {
                "type": "array",
                "items": _object({"model": _TEXT, "request_count": _COUNT, **_ESTIMATED}),
            },
        }
    ),
}


def file_paths() -> dict[str, Any]:
    """Their routes."""
    file_id = path_parameter("file_id", "A UUID, also with the prefix file-")
    skip = query_parameter(
        "skip", "Lines to pass over; also `offset`. With a search, of those that it finds", _COUNT
    )
    return {
        "/ai/v1/files": {
            "post": {
                "summary": "Upload a file",
                "description": "The fields of the form may come in any order; with the purpose first, the lines of "
                "a file of requests are checked as they come. The first line that is wrong refuses the file, with "
                "its number, its field and what was expected. Nothing is left of a file that is refused.",
                "operationId": "uploadFile",
                "tags": ["files"],
                "requestBody": {
                    "required": True,
                    "content": {"multipart/form-data": {"schema": _form()}},
                },
                "responses": {
                    "201": ok("The file", "File"),
                    **errors("400", "401", "403", "408", "413", "429", "503"),
                },
            },
            "get": {
                "summary": "List files, newest first",
                "operationId": "listFiles",
                "tags": ["files"],
                "parameters": [
                    query_parameter("after", "The id of the file after which the page begins", _TEXT),
                    query_parameter("limit", "At most 101", {"type": "integer", "default": 20}),
                    query_parameter("order", "By the moment of creation", {"enum": ["asc", "desc"]}),
                    query_parameter("purpose", "Only files of this purpose", _TEXT),
                    query_parameter("search", "Only files with this in their name", _TEXT),
                    query_parameter("own", "Only the caller's, for who may see all", {"type": "boolean"}),
                    query_parameter("member_id", "Only what this person uploaded", _ID),
                ],
                "responses": {"200": ok("A page of files", "FileList"), **errors("400", "401", "403")},
            },
        },
        "/ai/v1/files/{file_id}": {
            "get": {
                "summary": "Get a file",
                "description": "The bytes of an output or error file grow while its batch runs.",
                "operationId": "getFile",
                "tags": ["files"],
                "parameters": [file_id],
                "responses": {"200": ok("The file", "File"), **errors("400", "401", "403", "404")},
            },
            "delete": {
                "summary": "Delete a file",
                "description": "Batches that run over it are cancelled; what has come out of batches stays.",
                "operationId": "deleteFile",
                "tags": ["files"],
                "parameters": [file_id],
                "responses": {
                    "200": ok("It is gone", "FileDeleted"),
                    **errors("400", "401", "403", "404"),
                },
            },
        },
        "/ai/v1/files/{file_id}/content": {
            "get": {
                "summary": "Download a file",
                "description": "What a batch has come to can be read while it runs.",
                "operationId": "getFileContent",
                "tags": ["files"],
                "parameters": [
                    file_id,
                    skip,
                    query_parameter("limit", "Lines at most", _COUNT),
                    query_parameter("search", "Only lines with this in their custom_id", _TEXT),
                ],
                "responses": {"200": _content(), **errors("400", "401", "403", "404")},
            }
        },
        "/ai/v1/files/{file_id}/cost-estimate": {
            "get": {
                "summary": "Estimate what a batch over a file may cost",
                "operationId": "estimateFileCost",
                "tags": ["files"],
                "parameters": [
                    file_id,
                    query_parameter("completion_window", "Whose price counts", _TEXT | {"default": "24h"}),
                ],
                "responses": {
                    "200": ok("The estimate", "CostEstimate"),
                    **errors("400", "401", "403", "404"),
                },
            }
        },
    }


def _form() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["file", "purpose"],
        "properties": {
            "purpose": {"enum": ["batch", "user_data", "vision", "assistants", "evals"]},
            "expires_after[anchor]": {"const": "created_at"},
            "expires_after[seconds]": {"type": "integer"},
            "file": {"type": "string", "format": "binary"},
        },
    }


def _content() -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "description": "The bytes; of requests and outcomes, one JSON object on each line",
        "headers": {
            "x-incomplete": {
                "description": "Whether the batch still runs and more lines will come",
                "schema": {"enum": ["true", "false"]},
            },
            "x-last-line": {"description": "The skip with which to go on", "schema": _COUNT},
        },
        "content": {"application/x-ndjson": binary, "application/octet-stream": binary},
    }
