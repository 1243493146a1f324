"""What an administrator makes of a server of tools, on a running product."""

import uuid
from typing import Any

import httpx

from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread

ADMIN = "/admin/api/v1"
WEATHER: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Given:
    """Tools that the first account has for the model of these tests."""

    def __init__(self, admin: httpx.Client, server: UpstreamThread, model: str = MODEL) -> None:
        self.admin = admin
        self.server = server
        self.model_id = next(m["id"] for m in self.ask("GET", "/models")["data"] if m["alias"] == model)
        self.group_id = self.ask("POST", "/groups", {"name": f"tools-{uuid.uuid4().hex[:8]}"})["id"]
        owner = self.ask("GET", "/users/current")["id"]
        self.ask("POST", f"/groups/{self.group_id}/users/{owner}")
        self.sources: list[str] = []

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request of the administrator."""
        answer = self.admin.request(method, ADMIN + path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def tool(self, name: str, **more: Any) -> str:
        """A tool, attached to the model and the group."""
        url = f"{self.server.url.removesuffix('/v1')}/tools/{name}"
        body = {"name": name, "description": f"Does {name}", "parameters": WEATHER, "url": url, **more}
        source = self.ask("POST", "/tool-sources", body)["id"]
        self.sources.append(source)
        for place in (f"/deployments/{self.model_id}", f"/groups/{self.group_id}"):
            self.ask("PUT", f"{place}/tool-sources/{source}")
        return str(source)

    def end(self) -> None:
        """Nobody has them any more."""
        for source in self.sources:
            self.ask("DELETE", f"/tool-sources/{source}")
        self.ask("DELETE", f"/groups/{self.group_id}")
