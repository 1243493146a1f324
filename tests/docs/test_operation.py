"""Commands, flags, make targets, metrics and messages of the guide are those of the program."""

import re
import subprocess
from collections.abc import Iterator

import click
import pytest
from benchmarks.catalogue import CONTESTANTS, EXTRAS, OTHERS, SCENARIOS
from benchmarks.run import main as bench

from dwctl.cli.main import main
from tests.docs import source
from tests.docs.page import Page, code, rows
from tests.processes import ROOT

GUIDE = Page.of("docs/operating.md")
BENCHMARKS = Page.of("docs/benchmarks.md")


def commands(group: click.Group, at: str = "dwctl") -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{at} {name}")
        else:
            yield f"{at} {name}", command


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_flag_is_in_the_guide(words: str) -> None:
    text = GUIDE.section("Commands")
    arguments = [each for each in COMMANDS[words].params if isinstance(each, click.Argument)]
    heading = " ".join([words, *(str(argument.name).upper() for argument in arguments)])
    assert f"\n### {heading}\n" in text
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(code(text))))
    options = [each for each in COMMANDS[words].params if isinstance(each, click.Option)]
    assert {name for option in options for name in option.opts} <= named


def test_the_guide_has_no_flag_that_is_not_there() -> None:
    known = {name for command in COMMANDS.values() for each in command.params for name in each.opts}
    shown = {code(row[0])[-1] for row in rows(GUIDE.section("dwctl serve")) if code(row[0])}
    assert shown <= known


def test_every_make_target_is_in_the_guide() -> None:
    told = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True)
    targets = {line.split()[0] for line in told.stdout.decode().splitlines() if line}
    assert "serve" in targets
    documented = {code(row[0])[0] for row in rows(GUIDE.section("Make targets")) if code(row[0])}
    assert documented == {f"make {target}" for target in targets}


def test_every_metric_is_in_the_guide_and_every_one_there_exists() -> None:
    documented = {code(row[0])[0] for row in rows(GUIDE.section("Monitoring")) if code(row[0])}
    assert {
        name for name in documented if name.startswith(("dwctl_", "fusillade_", "onwards_"))
    } == source.metrics()


@pytest.mark.parametrize("section", ["It does not start", "It runs, but"])
def test_messages_are_quoted_as_the_program_says_them(section: str) -> None:
    said = source.said()
    quoted = [message for row in rows(GUIDE.section(section)) for message in code(row[0])]
    pieces = [piece.strip() for message in quoted for piece in message.split("…") if len(piece.strip()) > 3]
    assert len(pieces) > 5
    assert [piece for piece in pieces if piece not in said] == []


def test_the_benchmarks_page_knows_every_flag_contestant_and_scenario() -> None:
    named = set(re.findall(r"[a-z0-9-]+", " ".join(code(BENCHMARKS.text))))
    flags = {name for each in bench.params for name in each.opts if name.startswith("--")}
    contestants = {each.name for each in (*CONTESTANTS, *OTHERS)}
    scenarios = {each.name for each in (*SCENARIOS, *EXTRAS)}
    assert flags | contestants | scenarios <= named
