"""The way to the servers of tools."""

from dwctl.gateway.upstream.client import UpstreamClient


class ToolClient(UpstreamClient):
    """Sends requests to the servers of tools. Connections of its own: tools keep none from model servers."""

    name = "tools"
