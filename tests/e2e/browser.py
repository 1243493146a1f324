"""Chromium as it is started here, and the answer when there is none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    # Else the browser itself looks up hosts of its maker.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def executable() -> str:
    """The browser of this machine; raises with what to do when it has none."""
    path = os.defpath + os.pathsep + "/usr/bin"
    for name in NAMES:
        found = shutil.which(name) or shutil.which(name, path=path)
        if found:
            return found
    raise AssertionError(
        f"the browser tests need Chromium, and none of {', '.join(NAMES)} is on the PATH; "
        "on Debian: apt-get install chromium"
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process while the block lasts."""
    path = executable()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
