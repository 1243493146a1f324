"""The AI API's OpenAPI document, and pages that show a document without asking any other host for anything."""

import base64
import hashlib
from html import escape
from importlib import resources
from typing import Any

import msgspec

from dwctl.web.batch_document import batch_paths, batch_schemas
from dwctl.web.daemon_document import DAEMON_SCHEMAS, daemon_paths
from dwctl.web.document_parts import errors, ok, path_parameter
from dwctl.web.file_document import FILE_SCHEMAS, file_paths
from dwctl.web.response_document import RESPONSE_SCHEMAS, response_paths


class DocsPage(msgspec.Struct, frozen=True):
    """A page and the policy that lets its own script and style run, and nothing else."""

    html: str
    policy: str


def docs_page(title: str, heading: str, document: str) -> DocsPage:
    """A page that reads `document` from its own origin and shows every operation."""
    folder = resources.files("dwctl.web")
    script = folder.joinpath("docs.js").read_text(encoding="utf-8")
    style = folder.joinpath("docs.css").read_text(encoding="utf-8")
    html = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<header><p>{escape(title)}</p><h1>{escape(heading)}</h1>"
        f'<p><a href="{escape(document)}">{escape(document)}</a></p></header>\n'
        f'<main id="operations" data-document="{escape(document)}"><p>Loading …</p></main>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )
    policy = (
        f"default-src 'none'; connect-src 'self'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return DocsPage(html, policy)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def style_policy(style: str) -> str:
    """The policy of a page with one style and nothing else."""
    return f"default-src 'none'; style-src {_hash(style)}; frame-ancestors 'none'; base-uri 'none'"


def ai_document(version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of what is under `/ai/v1`: OpenAI's routes as this product serves them."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Doubleword Control Layer: AI API",
            "version": version,
            "description": "OpenAI-compatible. Bodies are passed on to the model's server as they come; fields "
            "that are not listed here are passed on too.",
        },
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "paths": {
            "/ai/v1/chat/completions": _inference("Create a chat completion", "ChatCompletion", ["messages"]),
            "/ai/v1/completions": _inference("Create a completion", "Completion", []),
            "/ai/v1/embeddings": _inference("Create embeddings", "Embeddings", ["input"], streams=False),
            "/ai/v1/responses": _inference("Create a response", "Response", []),
            "/ai/v1/responses/input_tokens": _inference(
                "Tell how many tokens a response would read; an estimate for models without Responses of their own",
                "InputTokens",
                [],
                streams=False,
            ),
            "/ai/v1/rerank": _inference("Rank documents", "Ranking", ["query", "documents"], streams=False),
            "/ai/v1/score": _inference("Score pairs of texts", "Scores", [], streams=False),
            "/ai/v1/moderations": _inference("Classify a text", "Moderation", ["input"], streams=False),
            "/ai/v1/audio/speech": _media("Speak a text", "Speech", ["input"], answers="audio/*"),
            "/ai/v1/audio/transcriptions": _media(
                "Transcribe a recording", "Transcription", ["file"], form=True
            ),
            "/ai/v1/audio/translations": _media("Translate a recording", "Translation", ["file"], form=True),
            "/ai/v1/images/generations": _media("Make images", "Images", ["prompt"]),
            "/ai/v1/images/edits": _media("Edit images", "EditedImages", ["prompt", "image"], form=True),
            "/ai/v1/images/variations": _media("Vary an image", "ImageVariations", ["image"], form=True),
            "/ai/v1/messages": _messages(),
            **response_paths(),
            **file_paths(),
            "/ai/v1/models": {
                "get": {
                    "summary": "List the models that the key may use",
                    "operationId": "listModels",
                    "tags": ["models"],
                    "responses": {"200": ok("The models", "ModelList"), **errors("401", "403")},
                }
            },
            "/ai/v1/models/{model}": {
                "get": {
                    "summary": "Get one model",
                    "operationId": "getModel",
                    "tags": ["models"],
                    "parameters": [path_parameter("model", "The alias; it may contain slashes")],
                    "responses": {"200": ok("The model", "Model"), **errors("401", "403", "404")},
                }
            },
            **batch_paths(ok, errors),
            **daemon_paths(),
        },
        "components": {
            "securitySchemes": _schemes(),
            "schemas": _schemas() | FILE_SCHEMAS | DAEMON_SCHEMAS | RESPONSE_SCHEMAS,
        },
    }


def _inference(summary: str, schema: str, required: list[str], *, streams: bool = True) -> dict[str, Any]:
    properties: dict[str, Any] = {"model": {"type": "string", "description": "An alias of /ai/v1/models."}}
    if streams:
        properties["stream"] = {"type": "boolean", "default": False}
    for name in required:
        properties[name] = {}
    answer = ok("The reply of the model's server", schema)
    answer["headers"] = {
        "x-onwards-response-id": {
            "description": "Id of the call, for GET /ai/v1/responses/{response_id}.",
            "schema": {"type": "string"},
        }
    }
    if streams:
        answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        "post": {
            "summary": summary,
            "operationId": f"create{schema}",
            "tags": ["inference"],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["model", *required],
                            "properties": properties,
                            "additionalProperties": True,
                        }
                    }
                },
            },
            "responses": {
                "200": answer,
                **errors("400", "401", "403", "404", "413", "415", "422", "429", "502", "503", "504"),
            },
        }
    }


def _media(
    summary: str, schema: str, required: list[str], *, form: bool = False, answers: str | None = None
) -> dict[str, Any]:
    """A route of sounds and images: `form` for bodies in parts, `answers` for a type that is no JSON."""
    found = _inference(summary, schema, required)
    operation = found["post"]
    operation["tags"] = ["media"]
    if form:
        content = operation["requestBody"]["content"]
        content["multipart/form-data"] = content.pop("application/json")
    if answers is not None:
        operation["responses"]["200"]["content"][answers] = {"schema": {"type": "string", "format": "binary"}}
    return found


def _messages() -> dict[str, Any]:
    """Anthropic's route: another required field, and errors of its own shape."""
    create = _inference("Create a message", "Message", ["messages", "max_tokens"])
    create["post"]["description"] = (
        "Anthropic's Messages API on any chat model: translated to a chat completion and back. "
        "The key goes into `x-api-key` or `Authorization`."
    )
    for status, answer in create["post"]["responses"].items():
        if status != "200":
            answer["content"]["application/json"]["schema"] = {"$ref": "#/components/schemas/MessageError"}
    return create


def _schemes() -> dict[str, Any]:
    return {"apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `sk-…`."}}


def _schemas() -> dict[str, Any]:
    nullable = {"type": ["string", "null"]}
    inner = {"message": {"type": "string"}, "type": {"type": "string"}, "param": nullable, "code": nullable}
    model = {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
    }
    anything = {"type": "object", "additionalProperties": True}
    return {
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "object", "required": list(inner), "properties": inner}},
        },
        "Model": {"type": "object", "required": list(model), "properties": model},
        "ModelList": {
            "type": "object",
            "required": ["object", "data"],
            "properties": {
                "object": {"const": "list"},
                "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
            },
        },
        "ChatCompletion": anything,
        "Completion": anything,
        "Embeddings": anything,
        "Response": anything,
        "InputTokens": {
            "type": "object",
            "required": ["object", "input_tokens"],
            "properties": {"object": {"const": "response.input_tokens"}, "input_tokens": {"type": "integer"}},
        },
        "Ranking": anything,
        "Scores": anything,
        "Moderation": anything,
        "Speech": anything,
        "Transcription": anything,
        "Translation": anything,
        "Images": anything,
        "EditedImages": anything,
        "ImageVariations": anything,
        "Message": anything,
        **batch_schemas(),
        "MessageError": {
            "type": "object",
            "required": ["type", "error"],
            "properties": {
                "type": {"const": "error"},
                "error": {
                    "type": "object",
                    "required": ["type", "message"],
                    "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
                },
                "request_id": nullable,
            },
        },
    }
