"""Accessibility by axe-core, the engine that browsers' own audits use; it comes with the dashboard's tools."""

from typing import Any

from playwright.sync_api import Page

from tests.processes import ROOT

_ENGINE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SERIOUS = ("serious", "critical")


def violations(page: Page) -> list[str]:
    """What is wrong with the page as it is shown now, one line for each rule and element."""
    assert _ENGINE.is_file(), "axe-core is not installed: run npm ci in dashboard/"
    # Colours are measured where animations have come to rest.
    page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished.catch(() => null)))")
    page.evaluate(_ENGINE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(
        "(rules) => axe.run(document, { runOnly: { type: 'tag', values: rules } })", _RULES
    )
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['html'][:160]}"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


def check(page: Page) -> None:
    """Raise for what keeps people from using the page."""
    wrong = violations(page)
    assert wrong == [], f"{page.url}:\n" + "\n".join(wrong)
