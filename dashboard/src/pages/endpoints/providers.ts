/** Model servers that people often connect. Their addresses are the providers' own; nothing is asked of them here. */
export interface Provider {
  id: string;
  name: string;
  url: string;
  /** Whether it wants a key. */
  keyed: boolean;
}

export const PROVIDERS: readonly Provider[] = [
  { id: "vllm", name: "vLLM", url: "http://127.0.0.1:8000/v1", keyed: false },
  { id: "ollama", name: "Ollama", url: "http://127.0.0.1:11434/v1", keyed: false },
  { id: "openai", name: "OpenAI", url: "https://api.openai.com/v1", keyed: true },
  { id: "anthropic", name: "Anthropic", url: "https://api.anthropic.com/v1", keyed: true },
  { id: "google", name: "Google Gemini", url: "https://generativelanguage.googleapis.com/v1beta/openai", keyed: true },
  { id: "mistral", name: "Mistral", url: "https://api.mistral.ai/v1", keyed: true },
  { id: "openrouter", name: "OpenRouter", url: "https://openrouter.ai/api/v1", keyed: true },
  { id: "groq", name: "Groq", url: "https://api.groq.com/openai/v1", keyed: true },
];

/** `https://api.openai.com/v1` → `OpenAI`, else the host. */
export function nameFor(url: string): string {
  const known = PROVIDERS.find((provider) => provider.url === url.trim().replace(/\/$/, ""));
  if (known) return known.name;
  try {
    return new URL(url).host;
  } catch {
    return "";
  }
}
