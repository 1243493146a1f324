/** Ready-to-run calls with the real address, key and model. Pure. */

export type Language = "curl" | "Python" | "JavaScript";
export const LANGUAGES: readonly Language[] = ["curl", "Python", "JavaScript"];

export interface Call {
  baseUrl: string;
  key: string;
  model: string;
  prompt: string;
}

export function snippet(language: Language, call: Call): string {
  switch (language) {
    case "curl":
      return curl(call);
    case "Python":
      return python(call);
    case "JavaScript":
      return javascript(call);
  }
}

function curl({ baseUrl, key, model, prompt }: Call): string {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: prompt }] }, null, 2);
  return [
    `curl ${quoted(`${baseUrl}/chat/completions`)} \\`,
    `  -H ${quoted(`Authorization: Bearer ${key}`)} \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d ${quoted(body)}`,
  ].join("\n");
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function python({ baseUrl, key, model, prompt }: Call): string {
  return [
    "from openai import OpenAI",
    "",
    "client = OpenAI(",
    `    base_url=${JSON.stringify(baseUrl)},`,
    `    api_key=${JSON.stringify(key)},`,
    ")",
    "reply = client.chat.completions.create(",
    `    model=${JSON.stringify(model)},`,
    `    messages=[{"role": "user", "content": ${JSON.stringify(prompt)}}],`,
    ")",
    "print(reply.choices[0].message.content)",
  ].join("\n");
}

function javascript({ baseUrl, key, model, prompt }: Call): string {
  return [
    `import OpenAI from "openai";`,
    "",
    "const client = new OpenAI({",
    `  baseURL: ${JSON.stringify(baseUrl)},`,
    `  apiKey: ${JSON.stringify(key)},`,
    "});",
    "const reply = await client.chat.completions.create({",
    `  model: ${JSON.stringify(model)},`,
    `  messages: [{ role: "user", content: ${JSON.stringify(prompt)} }],`,
    "});",
    "console.log(reply.choices[0].message.content);",
  ].join("\n");
}
