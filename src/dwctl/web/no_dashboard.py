"""What stands at `/` while there is no dashboard: that everything else works, and how to get one. Pure."""

from html import escape

import msgspec

from dwctl.web.documents import DocsPage, style_policy

LINKS = (
    ("Admin API", "/admin/docs"),
    ("Admin API as an OpenAPI document", "/admin/openapi.json"),
    ("AI API", "/ai/docs"),
    ("AI API as an OpenAPI document", "/ai/openapi.json"),
)
SAID = "The build said:"
AGAIN = 3
"""Seconds after which the page looks whether the dashboard is there."""
_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:0 auto;"
    "padding:2rem 1.5rem}h1{font-size:1.5rem}code,pre{font:.9rem/1.4 ui-monospace,monospace}"
    "pre{background:#8882;padding:.75rem;border-radius:.4rem;overflow:auto}"
)


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a dashboard that is not there."""

    version: str
    source: bool
    """Whether the server runs from a source tree."""
    building: bool
    failure: str | None
    """The last words of a build that came to nothing."""


def page(missing: Missing) -> DocsPage:
    """For browsers. It needs no script; while a build runs it looks again by itself."""
    again = f'<meta http-equiv="refresh" content="{AGAIN}">\n' if missing.building else ""
    why = "" if missing.building or missing.failure is None else f"<pre>{escape(missing.failure)}</pre>\n"
    links = "".join(f'<li><a href="{path}">{escape(name)}</a></li>\n' for name, path in LINKS)
    told = "".join(f"<p>{escape(line)}</p>\n" for line in _lines(missing))
    html = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{again}<title>Doubleword Control Layer</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Doubleword Control Layer {escape(missing.version)}</h1>\n{told}{why}"
        f"<p>The APIs work without it:</p>\n<ul>\n{links}</ul>\n</body>\n</html>\n"
    )
    return DocsPage(html, style_policy(_STYLE))


def text(missing: Missing) -> str:
    """For everybody else."""
    why = [] if missing.building or missing.failure is None else [missing.failure.rstrip()]
    links = [f"  {path:<20} {name}" for name, path in LINKS]
    head = f"Doubleword Control Layer {missing.version}"
    return "\n".join([head, *_lines(missing), *why, "The APIs work without it:", *links, ""])


def _lines(missing: Missing) -> list[str]:
    if missing.building:
        return ["The dashboard is being built and will be here in a minute."]
    if not missing.source:
        return [
            "This installation was built without the dashboard, which needs Node.js when the package is built.",
            "Install it again where Node.js or the package registries can be reached.",
            *([] if missing.failure is None else [SAID]),
        ]
    if missing.failure is not None:
        return ["The dashboard could not be built. Try again with: make dashboard", SAID]
    return ["The dashboard is not built. Build it with: make dashboard"]
