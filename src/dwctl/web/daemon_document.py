"""The list of processes in the AI API's OpenAPI document."""

from typing import Any

from dwctl.web.document_parts import errors, ok, query_parameter

_STATUS = {"enum": ["initializing", "running", "dead"]}
_MOMENT = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}

_DAEMON = {
    "id": {"type": "string", "format": "uuid"},
    "status": _STATUS,
    "hostname": _TEXT,
    "pid": {"type": "integer"},
    "version": _TEXT,
    "started_at": _MOMENT,
    "last_heartbeat": _MOMENT,
    "stopped_at": {"type": ["string", "null"], "format": "date-time"},
    "stats": {"type": "object"},
    "config": {"type": "object"},
}
DAEMON_SCHEMAS = {
    "Daemon": {"type": "object", "required": list(_DAEMON), "properties": _DAEMON},
    "DaemonList": {
        "type": "object",
        "required": ["daemons"],
        "properties": {"daemons": {"type": "array", "items": {"$ref": "#/components/schemas/Daemon"}}},
    },
}


def daemon_paths() -> dict[str, Any]:
    """Its route."""
    return {
        "/ai/v1/daemons": {
            "get": {
                "summary": "List the processes that serve this installation, or did within a day",
                "description": "For those who may read the system.",
                "operationId": "listDaemons",
                "tags": ["daemons"],
                "parameters": [query_parameter("status", "Only those of this status", _STATUS)],
                "responses": {"200": ok("The processes", "DaemonList"), **errors("401", "403")},
            }
        }
    }
