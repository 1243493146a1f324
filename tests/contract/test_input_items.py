"""What a stored call was asked, as a list of items."""

from typing import Any

import openai
import pytest
from openai.types.responses import ResponseIncludable

from tests.contract.test_single_responses import TEXT
from tests.fakes.model import MODEL

pytestmark = pytest.mark.xdist_group("contract")


def test_the_input_of_a_response(client: openai.OpenAI) -> None:
    name = client.responses.create(model=MODEL, input="Say hello to me").id
    page = client.responses.input_items.list(name)
    number = name.removeprefix("resp_")
    (item,) = page.data
    assert item.model_dump(exclude_none=True) == {
        "id": f"msg_{number}_i0",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "Say hello to me"}],
    }
    told = client.get(f"/responses/{name}/input_items", cast_to=object)
    assert isinstance(told, dict)
    ends = [told[field] for field in ("object", "first_id", "last_id", "has_more")]
    assert ends == ["list", item.id, item.id, False]


def test_the_input_of_a_chat(client: openai.OpenAI) -> None:
    name = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "What time is it?"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "noon"},
        ],
    ).id
    page = client.responses.input_items.list(name, order="asc")
    assert [item.type for item in page.data] == [
        "message",
        "message",
        "function_call",
        "function_call_output",
    ]


def test_pages_of_input(client: openai.OpenAI) -> None:
    given: Any = [{"role": "user", "content": str(n)} for n in range(45)]
    name = client.responses.create(model=MODEL, input=given).id

    def texts(items: Any) -> list[str]:
        return [item.content[0].text for item in items]

    first = client.responses.input_items.list(name)
    assert (len(first.data), first.has_more) == (20, True)
    assert texts(first.data) == [str(n) for n in range(44, 24, -1)]
    assert texts(client.responses.input_items.list(name, order="asc", limit=7)) == [str(n) for n in range(45)]
    middle = client.responses.input_items.list(
        name, order="asc", limit=100, after=first.data[10].id, extra_query={"before": first.data[5].id}
    )
    assert texts(middle.data) == ["35", "36", "37", "38"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=msg_x", "after"),
        ("before=msg_x", "before"),
        ("include=nothing", "include"),
        ("include[]=nothing", "include"),
    ],
)
def test_a_query_that_cannot_be_answered(client: openai.OpenAI, query: str, param: str) -> None:
    name = client.responses.create(model=MODEL, input="x").id
    with pytest.raises(openai.BadRequestError) as caught:
        client.get(f"/responses/{name}/input_items?{query}", cast_to=object)
    assert (caught.value.param, caught.value.code) == (param, "invalid_value")
    assert query.partition("=")[2] in str(caught.value) or param in str(caught.value)


def test_what_is_included(client: openai.OpenAI) -> None:
    name = client.responses.create(model=MODEL, input="x").id
    known: list[ResponseIncludable] = ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert client.responses.retrieve(name, include=known).output_text == TEXT
    with pytest.raises(openai.BadRequestError, match="nothing"):
        client.get(f"/responses/{name}?include[]=nothing", cast_to=object)
