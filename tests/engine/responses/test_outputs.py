"""Outputs of functions and the calls that they belong to."""

import json
from typing import Any

import pytest

from dwctl.engine.responses.outputs import stray_output

CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "42"}
OTHER = {"type": "function_call_output", "call_id": "b", "output": "42"}
TEXT = {"type": "message", "role": "user", "content": "function_call_output"}


@pytest.mark.parametrize(
    ("before", "own", "stray"),
    [
        ([], [], False),
        ([TEXT], [TEXT], False),
        ([CALL], [OUTPUT], False),
        ([], [CALL, OUTPUT], False),
        ([CALL], [OTHER], True),
        ([CALL], [OUTPUT, TEXT, OTHER], True),
        ([TEXT], [OUTPUT], True),
        # What came before was somebody else's to judge.
        ([OTHER], [TEXT], False),
        # What these stand for is not known.
        ([{"type": "item_reference", "id": "x"}], [OTHER], False),
        ([{"type": "compaction", "encrypted_content": "x"}], [OTHER], False),
        ([TEXT], [{"type": "function_call_output", "output": "no call_id"}], True),
        ([TEXT], [{"type": 7, "call_id": "function_call_output"}], False),
        ([TEXT], ["function_call_output"], False),
    ],
)
def test_an_output_belongs_to_a_call(before: list[Any], own: list[Any], stray: bool) -> None:
    items = [json.dumps(item).encode() for item in (*before, *own)]
    problem = stray_output(items, len(own))
    assert (problem is not None) == stray
    if problem is not None:
        assert (problem.status, problem.param) == (400, "input")
