/** Sends a request from the page, and shows the answer as it streams in. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { chat } from "@/api/chat";
import { useSecret } from "@/session/secrets";
import { duration } from "@/text/format";
import { Button } from "@/ui/button";
import { Form, SelectField, TextArea } from "@/ui/field";
import { ErrorNote } from "@/ui/state";

interface Props {
  models: readonly string[];
  /** Of the fixed model of a model's own page there is nothing to choose. */
  fixed?: boolean;
}

interface Answer {
  text: string;
  firstWords: number | null;
  whole: number | null;
  error: unknown;
}

export function Try({ models, fixed }: Props) {
  const secret = useSecret();
  const client = useQueryClient();
  const [chosen, setChosen] = useState("");
  const [prompt, setPrompt] = useState("Say hello in one sentence.");
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [busy, setBusy] = useState(false);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const model = models.includes(chosen) ? chosen : (models[0] ?? "");

  const send = async () => {
    const control = new AbortController();
    running.current = control;
    const began = performance.now();
    const change = (next: (now: Answer) => Partial<Answer>) =>
      setAnswer((now) => {
        const current = now ?? EMPTY;
        return { ...current, ...next(current) };
      });
    setAnswer(EMPTY);
    setBusy(true);
    try {
      await chat({
        model,
        prompt,
        secret: secret?.secret,
        signal: control.signal,
        onWords: (words) =>
          change((now) => ({
            text: now.text + words,
            firstWords: now.firstWords ?? (words ? performance.now() - began : null),
          })),
      });
      change(() => ({ whole: performance.now() - began }));
    } catch (error) {
      if (!control.signal.aborted) change(() => ({ error }));
    } finally {
      setBusy(false);
      void client.invalidateQueries({ queryKey: ["requests"] });
      void client.invalidateQueries({ queryKey: ["keys"] });
    }
  };

  return (
    <div>
      <Form className="space-y-4" onSubmit={() => void send()}>
        {!fixed && (
          <SelectField label="Model" value={model} onChange={(event) => setChosen(event.target.value)} options={models.map((alias) => ({ value: alias, label: alias }))} />
        )}
        <TextArea label="Message" rows={2} required value={prompt} onChange={(event) => setPrompt(event.target.value)} />
        <div className="flex flex-wrap items-center gap-3">
          <Button look="solid" type="submit" icon="send" busy={busy} disabled={!model}>
            Send request
          </Button>
          {busy && <Button onClick={() => running.current?.abort()}>Stop</Button>}
          <span className="text-[0.93rem] text-quiet">{secret ? `With your key “${secret.name}”.` : "With your session; no key needed."}</span>
        </div>
      </Form>
      {answer && (
        <div className="mt-4" aria-live="polite" aria-busy={busy}>
          {answer.error === null ? (
            <div className="rounded-lg border border-line bg-sunken px-4 py-3">
              <p className="min-h-6 whitespace-pre-wrap [overflow-wrap:anywhere]">
                {answer.text}
                {busy && <span className="ml-0.5 inline-block h-4 w-1.5 animate-shimmer bg-accent align-middle" />}
              </p>
              <p className="mt-2 text-[0.9rem] text-quiet tabular-nums">
                First words after {duration(answer.firstWords)}
                {answer.whole !== null && <> · whole answer after {duration(answer.whole)}</>}
              </p>
            </div>
          ) : (
            <ErrorNote error={answer.error} />
          )}
        </div>
      )}
    </div>
  );
}

const EMPTY: Answer = { text: "", firstWords: null, whole: null, error: null };
