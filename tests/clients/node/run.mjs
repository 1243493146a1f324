// `node run.mjs CLIENT BASE_URL KEY MODEL OTHER`: a client's rounds, told as a JSON object of what each came to.
// The other model has a tool that the server runs; no client may try to run it itself.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

const weather = ({ city }) => `21 degrees in ${city}`;

function official(baseURL, apiKey, model, other) {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60000 });
  const tools = [
    {
      type: "function",
      name: "get_weather",
      description: "The weather of a city",
      parameters: {
        type: "object",
        properties: { city: { type: "string" } },
        required: ["city"],
        additionalProperties: false,
      },
      strict: true,
    },
  ];
  return {
    create: async () => (await client.responses.create({ model, input: "Hi" })).output_text,
    stream: async () => {
      const stream = client.responses.stream({ model, input: "Hi" });
      let text = "";
      for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
      const whole = await stream.finalResponse();
      return whole.output_text === text ? text : `${text} is not ${whole.output_text}`;
    },
    tools: async () => {
      const first = await client.responses.create({ model, input: "The weather?", tools });
      const call = first.output.find((item) => item.type === "function_call");
      const output = {
        type: "function_call_output",
        call_id: call.call_id,
        output: weather(JSON.parse(call.arguments)),
      };
      const second = await client.responses.create({
        model,
        input: [output],
        previous_response_id: first.id,
        tools,
      });
      return second.output_text;
    },
    continues: async () => {
      const first = await client.responses.create({ model, input: "My name is Ada." });
      const second = await client.responses.create({
        model,
        input: "Who am I?",
        previous_response_id: first.id,
      });
      return second.output_text;
    },
    background: async () => {
      let found = await client.responses.create({ model, input: "Hi", background: true });
      while (["queued", "in_progress"].includes(found.status)) found = await client.responses.retrieve(found.id);
      return found.output_text;
    },
    cancels: async () => {
      const found = await client.responses.create({ model, input: "Count for me", background: true });
      return (await client.responses.cancel(found.id)).status;
    },
    resumes: async () => {
      const stream = await client.responses.create({
        model,
        input: "Count for me",
        background: true,
        stream: true,
      });
      let text = "";
      let name = "";
      let at = -1;
      for await (const event of stream) {
        at = event.sequence_number;
        if (event.type === "response.created") name = event.response.id;
        if (event.type === "response.output_text.delta") text += event.delta;
        if (text.endsWith("3")) break;
      }
      for await (const event of await client.responses.retrieve(name, { stream: true, starting_after: at })) {
        if (event.sequence_number !== at + 1) return `${event.sequence_number} came after ${at}`;
        at = event.sequence_number;
        if (event.type === "response.output_text.delta") text += event.delta;
      }
      return text;
    },
    server_tools: async () => {
      const found = await client.responses.create({ model: other, input: "The weather?" });
      const [call] = found.output;
      return call.type === "mcp_call" && call.status === "completed" ? found.output_text : JSON.stringify(call);
    },
    server_tools_streamed: async () => {
      const stream = client.responses.stream({ model: other, input: "The weather?" });
      for await (const event of stream) if (event.type === "response.failed") return "failed";
      return (await stream.finalResponse()).output_text;
    },
  };
}

function vercel(baseURL, apiKey, name, other) {
  const model = createOpenAI({ baseURL, apiKey }).responses(name);
  const served = createOpenAI({ baseURL, apiKey }).responses(other);
  const tools = {
    get_weather: tool({
      description: "The weather of a city",
      inputSchema: z.object({ city: z.string() }),
      execute: async (given) => weather(given),
    }),
  };
  const shared = { model, maxRetries: 0 };
  return {
    create: async () => (await generateText({ ...shared, prompt: "Hi" })).text,
    stream: async () => {
      let text = "";
      for await (const piece of streamText({ ...shared, prompt: "Hi" }).textStream) text += piece;
      return text;
    },
    tools: async () =>
      (await generateText({ ...shared, prompt: "The weather?", tools, stopWhen: stepCountIs(3) })).text,
    streamed_tools: async () => {
      let text = "";
      const stream = streamText({ ...shared, prompt: "The weather?", tools, stopWhen: stepCountIs(3) });
      for await (const piece of stream.textStream) text += piece;
      return text;
    },
    schema: async () => {
      const output = Output.object({ schema: z.object({ city: z.string(), degrees: z.number() }) });
      const found = (await generateText({ ...shared, prompt: "The report", output })).output;
      return `${found.city} ${found.degrees}`;
    },
    continues: async () => {
      const first = await generateText({ ...shared, prompt: "My name is Ada." });
      const previousResponseId = first.providerMetadata.openai.responseId;
      const second = await generateText({
        ...shared,
        prompt: "Who am I?",
        providerOptions: { openai: { previousResponseId } },
      });
      return second.text;
    },
    server_tools: async () => {
      const found = await generateText({ ...shared, model: served, prompt: "The weather?", stopWhen: stepCountIs(3) });
      return found.steps.length === 1 ? found.text : `${found.steps.length} steps`;
    },
    server_tools_streamed: async () => {
      let text = "";
      const stream = streamText({ ...shared, model: served, prompt: "The weather?", stopWhen: stepCountIs(3) });
      for await (const piece of stream.textStream) text += piece;
      return text;
    },
    server_tools_continue: async () => {
      const asked = [{ role: "user", content: "My name is Ada. The weather?" }];
      const first = await generateText({ ...shared, model: served, messages: asked });
      const more = [...asked, ...first.response.messages, { role: "user", content: "Who am I?" }];
      return (await generateText({ ...shared, messages: more })).text;
    },
  };
}

const [client, ...where] = process.argv.slice(2);
const rounds = { openai: official, vercel }[client](...where);
const told = {};
for (const [name, round] of Object.entries(rounds)) {
  try {
    told[name] = String(await round());
  } catch (error) {
    told[name] = `failed: ${error.stack ?? error}`.slice(0, 800);
  }
}
console.log(JSON.stringify(told));
process.exit(0);
