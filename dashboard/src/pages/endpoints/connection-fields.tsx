/** Where a model server is, and how one proves to it who one is. */
import { Note } from "@/ui/state";
import { TextField } from "@/ui/field";
import { PROVIDERS } from "./providers";

export interface Connection {
  url: string;
  api_key: string;
  auth_header_name: string;
  auth_header_prefix: string;
}

export const NO_CONNECTION: Connection = { url: "", api_key: "", auth_header_name: "", auth_header_prefix: "" };

/** As the API takes it: what was not given is left to the server. */
export function credentials(connection: Connection) {
  return {
    url: connection.url.trim(),
    api_key: connection.api_key.trim() || null,
    auth_header_name: connection.auth_header_name.trim() || null,
    // The blank behind "Bearer " belongs to it.
    auth_header_prefix: connection.auth_header_prefix || null,
  };
}

export function ConnectionFields({ value, onChange }: { value: Connection; onChange: (change: Partial<Connection>) => void }) {
  const provider = PROVIDERS.find((each) => each.url === value.url.trim());
  return (
    <div className="space-y-4">
      <div role="group" aria-label="Known servers" className="flex flex-wrap gap-1.5">
        {PROVIDERS.map((each) => (
          <button
            key={each.id}
            type="button"
            aria-pressed={each === provider}
            onClick={() => onChange({ url: each.url })}
            className="h-9 rounded-lg border border-line px-3 text-[0.93rem] text-quiet transition-colors hover:border-edge hover:text-ink aria-pressed:border-accent aria-pressed:bg-accent-soft aria-pressed:text-accent md:h-8"
          >
            {each.name}
          </button>
        ))}
      </div>
      <TextField
        label="Address"
        type="url"
        required
        placeholder="http://127.0.0.1:8000/v1"
        hint="Of any server that speaks OpenAI's API, usually ending in /v1."
        value={value.url}
        onChange={(event) => onChange({ url: event.target.value })}
      />
      <TextField
        label="API key of the server"
        optional={!provider?.keyed}
        type="password"
        autoComplete="off"
        hint="Kept sealed here. Your applications never see it."
        value={value.api_key}
        onChange={(event) => onChange({ api_key: event.target.value })}
      />
      <details>
        <summary className="rounded font-medium">How the key is sent</summary>
        <div className="mt-3 grid gap-4 sm:grid-cols-2">
          <TextField label="Header" placeholder="Authorization" value={value.auth_header_name} onChange={(event) => onChange({ auth_header_name: event.target.value })} />
          <TextField label="Before the key" placeholder="Bearer " value={value.auth_header_prefix} onChange={(event) => onChange({ auth_header_prefix: event.target.value })} />
        </div>
      </details>
      {value.url.startsWith("http://") && value.api_key !== "" && !/^http:\/\/(127\.|localhost|\[::1\])/.test(value.url) && (
        <Note tone="warn">This address is not encrypted: the key can be read on its way.</Note>
      )}
    </div>
  );
}
