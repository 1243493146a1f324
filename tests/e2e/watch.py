"""What a page does beside what it shows: it may not complain, nor ask anybody but its own server."""

from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, Response

_REFUSED = "Failed to load resource"
"""How the browser notes every answer that is an error, whoever expected it."""


class Watch:
    """Listens to a page from its beginning; `check` raises for what should not have been."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.refused: list[tuple[int, str]] = []
        self._origin = origin
        self._expected: list[tuple[int, str]] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)
        page.on("response", self._response)

    def expect(self, status: int, path: str) -> None:
        """Answers with this status to paths that begin so are part of the test."""
        self._expected.append((status, path))

    def check(self) -> None:
        """Raise for errors in the console, requests to other hosts and refusals that nobody expected."""
        refused = [each for each in self.refused if not self._is_expected(*each)]
        assert self.errors == [], f"the console shows {self.errors}"
        assert self.foreign == [], f"the page asks other hosts: {self.foreign}"
        assert refused == [], f"the server refused {refused}"

    def _is_expected(self, status: int, path: str) -> bool:
        return any(
            status == expected and path.startswith(beginning) for expected, beginning in self._expected
        )

    def _console(self, message: ConsoleMessage) -> None:
        # Refusals are looked at one by one, by their status.
        if message.type in ("error", "warning") and _REFUSED not in message.text:
            self.errors.append(message.text)

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self._origin:
            self.foreign.append(request.url)

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append((response.status, urlsplit(response.url).path))
