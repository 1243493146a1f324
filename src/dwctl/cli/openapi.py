"""`dwctl openapi`."""

import json
from collections.abc import Callable

from dwctl.server.openapi import DOCUMENTS


def run(name: str, say: Callable[[str], None]) -> None:
    """Print a document, its keys in order, so that a committed copy changes only where the API does."""
    say(json.dumps(DOCUMENTS[name](), indent=1, sort_keys=True))
