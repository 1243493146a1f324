"""`python run.py CLIENT BASE_URL KEY MODEL OTHER`: a client's rounds, told as a JSON object of what each came to.

The other model has a tool that the server runs; no client may try to run it itself.
"""

import asyncio
import importlib
import inspect
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)


def weather(city: str) -> str:
    """The weather of a city."""
    return f"21 degrees in {city}"


class OpenAI:
    """The official client."""

    def __init__(self, base_url: str, key: str, model: str, other: str) -> None:
        openai: Any = importlib.import_module("openai")
        self.client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=60)
        self.later = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=60)
        self.model = model
        self.other = other
        self.tool = {
            "type": "function",
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
            "strict": True,
        }

    def create(self) -> str:
        """One whole answer."""
        return str(self.client.responses.create(model=self.model, input="Hi").output_text)

    def stream(self) -> str:
        """One streamed answer, and what the client makes of it."""
        with self.client.responses.stream(model=self.model, input="Hi") as stream:
            text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            assert text == stream.get_final_response().output_text
        return text

    def tools(self) -> str:
        """A call of a tool and its output, by the id of the response."""
        first = self.client.responses.create(model=self.model, input="The weather?", tools=[self.tool])
        call = next(item for item in first.output if item.type == "function_call")
        output = {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": weather(**json.loads(call.arguments)),
        }
        second = self.client.responses.create(
            model=self.model, input=[output], previous_response_id=first.id, tools=[self.tool]
        )
        return str(second.output_text)

    def schema(self) -> str:
        """An answer in a schema."""
        pydantic: Any = importlib.import_module("pydantic")
        kind = pydantic.create_model("Weather", city=(str, ...), degrees=(int, ...))
        found = self.client.responses.parse(model=self.model, input="The report", text_format=kind)
        return f"{found.output_parsed.city} {found.output_parsed.degrees}"

    def continues(self) -> str:
        """Three turns."""
        first = self.client.responses.create(model=self.model, input="My name is Ada.")
        second = self.client.responses.create(
            model=self.model, input="Hi again", previous_response_id=first.id
        )
        third = self.client.responses.create(
            model=self.model, input="Who am I?", previous_response_id=second.id
        )
        return str(third.output_text)

    def conversation(self) -> str:
        """Two turns of a conversation."""
        made = self.client.conversations.create(metadata={"topic": "names"})
        self.client.responses.create(model=self.model, input="My name is Ada.", conversation=made.id)
        last = self.client.responses.create(model=self.model, input="Who am I?", conversation=made.id)
        assert len(self.client.conversations.items.list(made.id).data) == 4
        return str(last.output_text)

    def background(self) -> str:
        """Accepted, polled, done."""
        found = self.client.responses.create(model=self.model, input="Hi", background=True)
        while found.status in ("queued", "in_progress"):
            found = self.client.responses.retrieve(found.id)
        return str(found.output_text)

    def resumes(self) -> str:
        """A background stream that is cut and gone on with."""
        stream = self.client.responses.create(
            model=self.model, input="Count for me", background=True, stream=True
        )
        text, name, at = "", "", -1
        for event in stream:
            at = event.sequence_number
            if event.type == "response.created":
                name = event.response.id
            if event.type == "response.output_text.delta":
                text += event.delta
                if text.endswith("3"):
                    stream.close()
                    break
        for event in self.client.responses.retrieve(name, stream=True, starting_after=at):
            assert event.sequence_number == at + 1
            at = event.sequence_number
            if event.type == "response.output_text.delta":
                text += event.delta
        return text

    def cancels(self) -> str:
        """Cancelled while it runs."""
        found = self.client.responses.create(model=self.model, input="Count for me", background=True)
        return str(self.client.responses.cancel(found.id).status)

    def deletes(self) -> str:
        """Deleted, and gone."""
        openai: Any = importlib.import_module("openai")
        found = self.client.responses.create(model=self.model, input="Hi")
        self.client.responses.delete(found.id)
        try:
            self.client.responses.retrieve(found.id)
        except openai.NotFoundError:
            return "gone"
        return "still there"

    def items(self) -> str:
        """What a response was asked."""
        found = self.client.responses.create(model=self.model, input="Hi")
        listed = self.client.responses.input_items.list(found.id)
        return str(listed.data[0].content[0].text)

    async def socket(self) -> str:
        """Two turns over one WebSocket, of which nothing is stored."""
        async with self.later.responses.connect() as connection:
            text = ""
            extra: dict[str, str] = {}
            for said in ("My name is Ada.", "Who am I?"):
                await connection.response.create(model=self.model, input=said, store=False, **extra)
                async for event in connection:
                    if event.type == "response.completed":
                        extra = {"previous_response_id": event.response.id}
                        text = event.response.output[0].content[0].text
                        break
        return text

    def server_tools(self) -> str:
        """A tool of the server: an item of its own, with what it gave."""
        found = self.client.responses.create(model=self.other, input="The weather?")
        call, _ = found.output
        assert (call.type, call.name, call.status) == ("mcp_call", "get_weather", "completed")
        assert json.loads(call.output) == {"degrees": 21, "city": "Paris"}
        return str(found.output_text)

    def server_tools_streamed(self) -> str:
        """The same, streamed."""
        with self.client.responses.stream(model=self.other, input="The weather?") as stream:
            kinds = [event.type for event in stream]
            assert kinds.count("response.mcp_call.completed") == 1
            return str(stream.get_final_response().output_text)

    def server_tools_continue(self) -> str:
        """On from its items, sent back as they came, and on a model without the tool."""
        asked: list[Any] = [{"role": "user", "content": "My name is Ada. The weather?"}]
        first = self.client.responses.create(model=self.other, input=asked)
        asked += [item.model_dump() for item in first.output]
        asked.append({"role": "user", "content": "Who am I?"})
        return str(self.client.responses.create(model=self.model, input=asked).output_text)


class Agents:
    """The Agents SDK."""

    def __init__(self, base_url: str, key: str, model: str, other: str) -> None:
        agents: Any = importlib.import_module("agents")
        openai: Any = importlib.import_module("openai")
        agents.set_tracing_disabled(True)
        self.agents = agents
        self.client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=60)
        tool = agents.function_tool(weather, name_override="get_weather")
        self.agent = self._agent(agents.OpenAIResponsesModel(model, self.client), tool)
        self.over_socket = self._agent(agents.OpenAIResponsesWSModel(model, self.client), tool)
        clock = agents.function_tool(weather, name_override="get_another_weather")
        self.served = self._agent(agents.OpenAIResponsesModel(other, self.client))
        self.beside = self._agent(agents.OpenAIResponsesModel(other, self.client), clock)
        self.served_over_socket = self._agent(agents.OpenAIResponsesWSModel(other, self.client))

    def _agent(self, model: Any, *tools: Any) -> Any:
        return self.agents.Agent(name="helper", instructions="Help.", model=model, tools=list(tools))

    async def create(self) -> str:
        """One whole answer."""
        return str((await self.agents.Runner.run(self.agent, "Hi")).final_output)

    async def stream(self) -> str:
        """One streamed answer."""
        result = self.agents.Runner.run_streamed(self.agent, "Hi")
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    async def tools(self) -> str:
        """A tool, which the SDK runs."""
        return str((await self.agents.Runner.run(self.agent, "The weather?")).final_output)

    async def streamed_tools(self) -> str:
        """The same, streamed."""
        result = self.agents.Runner.run_streamed(self.agent, "The weather?")
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    async def continues(self) -> str:
        """Two runs, the second by the first one's last response."""
        first = await self.agents.Runner.run(self.agent, "My name is Ada.")
        second = await self.agents.Runner.run(
            self.agent, "Who am I?", previous_response_id=first.last_response_id
        )
        return str(second.final_output)

    async def conversation(self) -> str:
        """A session that the server keeps."""
        session = self.agents.OpenAIConversationsSession(openai_client=self.client)
        await self.agents.Runner.run(self.agent, "My name is Ada.", session=session)
        return str((await self.agents.Runner.run(self.agent, "Who am I?", session=session)).final_output)

    async def socket(self) -> str:
        """A tool over a WebSocket."""
        return str((await self.agents.Runner.run(self.over_socket, "The weather?")).final_output)

    async def server_tools(self) -> str:
        """A tool that the server runs."""
        return str((await self.agents.Runner.run(self.served, "The weather?")).final_output)

    async def server_tools_streamed(self) -> str:
        """The same, streamed."""
        result = self.agents.Runner.run_streamed(self.served, "The weather?")
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    async def server_tools_beside_own(self) -> str:
        """An agent that has a tool of its own."""
        return str((await self.agents.Runner.run(self.beside, "The weather?")).final_output)

    async def server_tools_continue(self) -> str:
        """A second run with all items of the first one."""
        first = await self.agents.Runner.run(self.served, "My name is Ada. The weather?")
        asked = [*first.to_input_list(), {"role": "user", "content": "Who am I?"}]
        return str((await self.agents.Runner.run(self.agent, asked)).final_output)

    async def server_tools_in_a_conversation(self) -> str:
        """A session that the server keeps."""
        session = self.agents.OpenAIConversationsSession(openai_client=self.client)
        await self.agents.Runner.run(self.served, "My name is Ada. The weather?", session=session)
        return str((await self.agents.Runner.run(self.served, "Who am I?", session=session)).final_output)

    async def server_tools_over_a_socket(self) -> str:
        """Over a WebSocket."""
        return str((await self.agents.Runner.run(self.served_over_socket, "The weather?")).final_output)


class LangChain:
    """LangChain's OpenAI model on the Responses API."""

    def __init__(self, base_url: str, key: str, model: str, other: str) -> None:
        self.kind: Any = importlib.import_module("langchain_openai").ChatOpenAI
        self.given = {
            "base_url": base_url,
            "api_key": key,
            "model": model,
            "use_responses_api": True,
            "max_retries": 0,
        }
        self.chat = self.kind(**self.given)
        self.served = self.kind(**self.given | {"model": other})

    @staticmethod
    def _text(message: Any) -> str:
        text = message.text
        return str(text() if callable(text) and not isinstance(text, str) else text)

    def create(self) -> str:
        """One whole answer."""
        return self._text(self.chat.invoke("Hi"))

    def stream(self) -> str:
        """One streamed answer."""
        return "".join(self._text(chunk) for chunk in self.chat.stream("Hi"))

    def tools(self) -> str:
        """A call of a tool and its output."""
        core: Any = importlib.import_module("langchain_core.tools")
        messages: Any = importlib.import_module("langchain_core.messages")
        tool = core.StructuredTool.from_function(weather, name="get_weather")
        bound = self.chat.bind_tools([tool])
        asked = [messages.HumanMessage("The weather?")]
        answer = bound.invoke(asked)
        (call,) = answer.tool_calls
        done = messages.ToolMessage(weather(**call["args"]), tool_call_id=call["id"])
        return self._text(bound.invoke([*asked, answer, done]))

    def schema(self) -> str:
        """An answer in a schema."""
        pydantic: Any = importlib.import_module("pydantic")
        kind = pydantic.create_model("Weather", city=(str, ...), degrees=(int, ...))
        found = self.chat.with_structured_output(kind).invoke("The report")
        return f"{found.city} {found.degrees}"

    def continues(self) -> str:
        """Two turns, the second by the first one's response."""
        messages: Any = importlib.import_module("langchain_core.messages")
        chat = self.kind(**self.given, use_previous_response_id=True)
        first = messages.HumanMessage("My name is Ada.")
        answer = chat.invoke([first])
        return self._text(chat.invoke([first, answer, messages.HumanMessage("Who am I?")]))

    def server_tools(self) -> str:
        """A tool that the server runs: no call is left to whoever has the answer."""
        answer = self.served.invoke("The weather?")
        assert answer.tool_calls == []
        return self._text(answer)

    def server_tools_streamed(self) -> str:
        """The same, streamed."""
        whole: Any = None
        for chunk in self.served.stream("The weather?"):
            whole = chunk if whole is None else whole + chunk
        assert whole.tool_calls == []
        return self._text(whole)

    def server_tools_continue(self) -> str:
        """A second turn with the first one's answer."""
        messages: Any = importlib.import_module("langchain_core.messages")
        first = messages.HumanMessage("My name is Ada. The weather?")
        answer = self.served.invoke([first])
        return self._text(self.chat.invoke([first, answer, messages.HumanMessage("Who am I?")]))


CLIENTS = {"openai": OpenAI, "agents": Agents, "langchain": LangChain}


def outcome(round_: Callable[[], Any], runner: asyncio.Runner) -> str:
    """What a round came to; a failure is told on the way, so that the others are run too."""
    try:
        made = round_()
        return str(runner.run(made) if inspect.iscoroutine(made) else made)
    except Exception:
        logger.exception("a round failed")
        return "failed"


def main() -> None:
    """Run all rounds of one client."""
    name, *where = sys.argv[1:]
    client = CLIENTS[name](*where)
    rounds = [each for each in vars(type(client)) if not each.startswith("_")]
    with asyncio.Runner() as runner:
        sys.stdout.write(json.dumps({each: outcome(getattr(client, each), runner) for each in rounds}))


if __name__ == "__main__":
    main()
