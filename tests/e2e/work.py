"""Files, batches and responses for the pages that show them."""

import json
from typing import Any

from tests.e2e.house import House
from tests.waiting import until

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TALK = [
    {"type": "message", "role": "user", "content": "What is the weather in Riga?"},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "I should ask."}]},
    {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"city": "Riga"}',
    },
    {"type": "function_call_output", "call_id": "call_1", "output": '{"degrees": -3}'},
]


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def tool(house: House, name: str, model_id: str, group_id: str, url: str = "http://127.0.0.1:9/tool") -> str:
    """A tool of the server that this model and this group have; gives its name."""
    body = {"name": name, "description": "The weather of a city", "url": url, "parameters": SCHEMA}
    made = house.call("POST", "/tool-sources", body).json()["id"]
    for place in (f"/deployments/{model_id}", f"/groups/{group_id}"):
        house.call("PUT", f"{place}/tool-sources/{made}")
    return name


def lines(count: int, *, wrong: int = 0, model: str = "fake-model") -> bytes:
    """A file of chats; the last `wrong` of them are refused by the model server."""
    rows = []
    for number in range(count):
        asked = [{"role": "user", "content": f"Sum up report {number + 1}."}]
        body = {"model": model, "messages": [] if number >= count - wrong else asked}
        row = {
            "custom_id": f"report-{number + 1}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": body,
        }
        rows.append(json.dumps(row))
    return "\n".join(rows).encode() + b"\n"


def upload(house: House, name: str, content: bytes, purpose: str = "batch") -> str:
    """A file of the administrator; gives its id."""
    made = house.ai("POST", "/files", data={"purpose": purpose}, files={"file": (name, content)})
    file_id: str = made.json()["id"]
    return file_id


def batch(house: House, file_id: str, **metadata: str) -> str:
    """A batch over it; gives its id."""
    body = {
        "input_file_id": file_id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": metadata,
    }
    batch_id: str = house.ai("POST", "/batches", json=body).json()["id"]
    return batch_id


def ended(house: House, batch_id: str) -> dict[str, Any]:
    """Wait until nothing of it is left to do."""
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(house.ai("GET", f"/batches/{batch_id}").json())
        return found["status"] in ("completed", "failed", "cancelled")

    until(over, f"the batch {batch_id} ends")
    return found


def respond(house: House, secret: str, **fields: Any) -> str:
    """A response, recorded when this returns; gives its id."""
    body = {"model": "fake-model", "input": "What is a queue?", **fields}
    headers = {"authorization": f"Bearer {secret}"}
    response_id: str = house.ai("POST", "/responses", json=body, headers=headers).json()["id"]
    house.call("GET", f"/requests/{response_id}")
    return response_id
