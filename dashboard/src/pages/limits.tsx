/** The limits that keys, endpoints and models have alike. */
import { useState } from "react";
import { count } from "@/text/format";
import { TextField } from "@/ui/field";

export interface Limits {
  requests_per_second?: number | null;
  burst_size?: number | null;
  requests_per_minute?: number | null;
  tokens_per_minute?: number | null;
  max_concurrent?: number | null;
}

type Name = keyof Limits;

const LABELS: Record<Name, [string, string]> = {
  requests_per_minute: ["Requests per minute", "no limit"],
  tokens_per_minute: ["Tokens per minute", "no limit"],
  max_concurrent: ["Requests at the same time", "no limit"],
  requests_per_second: ["Requests per second", "no limit"],
  burst_size: ["Burst", "as the rate"],
};

const ORDER: readonly Name[] = ["requests_per_minute", "tokens_per_minute", "max_concurrent", "requests_per_second", "burst_size"];

export function LimitFields({ limits, onChange, without = [] }: { limits: Limits; onChange: (change: Limits) => void; without?: readonly Name[] }) {
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      {ORDER.filter((name) => !without.includes(name)).map((name) => (
        <NumberField key={name} label={LABELS[name][0]} placeholder={LABELS[name][1]} whole={name !== "requests_per_second"} value={limits[name] ?? null} onChange={(value) => onChange({ [name]: value })} />
      ))}
    </div>
  );
}

/** A positive number, or nothing. */
export function NumberField({
  label,
  value,
  onChange,
  placeholder,
  hint,
  whole = true,
  min,
  max,
}: {
  label: string;
  value: number | null;
  onChange: (value: number | null) => void;
  placeholder?: string;
  hint?: string;
  whole?: boolean;
  min?: number;
  max?: number;
}) {
  const [text, setText] = useState(value === null ? "" : String(value));
  return (
    <TextField
      label={label}
      hint={hint}
      placeholder={placeholder}
      type="number"
      inputMode={whole ? "numeric" : "decimal"}
      min={min ?? (whole ? 1 : 0.001)}
      max={max}
      step={whole ? 1 : "any"}
      boxClass="tabular-nums"
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        const number = Number(event.target.value);
        onChange(event.target.value === "" || Number.isNaN(number) ? null : number);
      }}
    />
  );
}

/** `60 requests/min · 8 at a time`, or a dash. */
export function limitsInWords(limits: Limits): string {
  const words = [
    limits.requests_per_second && `${count(limits.requests_per_second)} requests/s`,
    limits.requests_per_minute && `${count(limits.requests_per_minute)} requests/min`,
    limits.tokens_per_minute && `${count(limits.tokens_per_minute)} tokens/min`,
    limits.max_concurrent && `${count(limits.max_concurrent)} at a time`,
  ].filter(Boolean);
  return words.join(" · ") || "None";
}
