"""`dwctl doctor`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from dwctl.cli.context import load
from dwctl.server.doctor import examine


def run(config: Path | None, data_dir: Path | None, say: Callable[[str], None], *, ledger: bool) -> bool:
    """Print one line for each finding, with `ledger` also of money; whether all is well."""
    context = load(config, {"data_dir": data_dir})
    findings = asyncio.run(examine(context.settings, context.data_dir, ledger=ledger))
    for finding in findings:
        say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.text}")
    return all(finding.ok for finding in findings)
