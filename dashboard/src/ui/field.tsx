/** Labelled inputs: the label, what it is for, and what is wrong with it belong to the input for every reader. */
import { useRouterState } from "@tanstack/react-router";
import { useEffect, useEffectEvent, useId, useRef, useState, type ComponentProps, type ReactNode } from "react";
import { Switch as RadixSwitch } from "radix-ui";
import { cx } from "./classes";
import { Icon } from "./icon";

const BOX =
  "w-full rounded-lg border border-edge bg-surface px-3 text-ink transition-colors hover:border-faint focus:border-accent focus:outline-2 focus:-outline-offset-1 focus:outline-accent disabled:bg-sunken disabled:text-quiet max-md:text-[16px]";

interface Described {
  label: string;
  hint?: ReactNode;
  error?: string | null;
  optional?: boolean;
}

function Field({
  id,
  label,
  hint,
  error,
  optional,
  children,
  className,
}: Described & { id: string; children: ReactNode; className?: string }) {
  return (
    <div className={cx("min-w-0", className)}>
      <label htmlFor={id} className="mb-1.5 flex items-baseline gap-2 text-[0.93rem] font-medium">
        {label}
        {optional && <span className="font-normal text-faint">optional</span>}
      </label>
      {children}
      {hint && !error && (
        <p id={`${id}-hint`} className="mt-1.5 text-[0.9rem] text-quiet">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="mt-1.5 text-[0.9rem] text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

function describedBy(id: string, hint: ReactNode, error: string | null | undefined) {
  if (error) return `${id}-error`;
  return hint ? `${id}-hint` : undefined;
}

type TextProps = Described & Omit<ComponentProps<"input">, "id"> & { boxClass?: string };

export function TextField({ label, hint, error, optional, className, boxClass, ...rest }: TextProps) {
  const id = useId();
  return (
    <Field {...{ id, label, hint, error, optional, className }}>
      <input
        autoComplete="off"
        spellCheck={false}
        {...rest}
        id={id}
        aria-invalid={error ? true : undefined}
        aria-describedby={describedBy(id, hint, error)}
        className={cx(BOX, "h-10 md:h-9", boxClass)}
      />
    </Field>
  );
}

type AreaProps = Described & Omit<ComponentProps<"textarea">, "id">;

export function TextArea({ label, hint, error, optional, className, ...rest }: AreaProps) {
  const id = useId();
  return (
    <Field {...{ id, label, hint, error, optional, className }}>
      <textarea
        rows={3}
        {...rest}
        id={id}
        aria-invalid={error ? true : undefined}
        aria-describedby={describedBy(id, hint, error)}
        className={cx(BOX, "py-2")}
      />
    </Field>
  );
}

export interface Option {
  value: string;
  label: string;
}

type SelectProps = Described & Omit<ComponentProps<"select">, "id" | "children"> & { options: readonly Option[] };

export function SelectField({ label, hint, error, optional, className, options, ...rest }: SelectProps) {
  const id = useId();
  return (
    <Field {...{ id, label, hint, error, optional, className }}>
      <Chevroned>
        <select {...rest} id={id} aria-describedby={describedBy(id, hint, error)} className={cx(BOX, "h-10 appearance-none pr-9 md:h-9")}>
          {options.map(toOption)}
        </select>
      </Chevroned>
    </Field>
  );
}

/** A select in a bar of filters, where the label is for screen readers. */
export function Filter({
  label,
  options,
  className,
  ...rest
}: Omit<ComponentProps<"select">, "children"> & { label: string; options: readonly Option[] }) {
  return (
    <Chevroned className={className}>
      <select {...rest} aria-label={label} className={cx(BOX, "h-10 appearance-none truncate pr-9 md:h-9")}>
        {options.map(toOption)}
      </select>
    </Chevroned>
  );
}

/** A day in a bar of filters; the label stands before it, because an empty one says nothing. */
export function DateFilter({
  label,
  value,
  onChange,
  min,
  max,
}: {
  label: string;
  /** `2026-11-25`, or nothing. */
  value: string;
  onChange: (day: string) => void;
  min?: string | undefined;
  max?: string | undefined;
}) {
  const id = useId();
  return (
    <div className={cx(BOX, "col-span-2 flex h-10 min-w-0 items-center gap-2 py-0 pr-2 sm:w-50 md:h-9 focus-within:border-accent focus-within:outline-2 focus-within:-outline-offset-1 focus-within:outline-accent")}>
      <label htmlFor={id} className="text-quiet">
        {label}
      </label>
      <input
        id={id}
        type="date"
        min={min}
        max={max}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className="min-w-0 flex-1 bg-transparent tabular-nums outline-none"
      />
    </div>
  );
}

function toOption(option: Option) {
  return (
    <option key={option.value} value={option.value}>
      {option.label}
    </option>
  );
}

function Chevroned({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <div className={cx("relative", className)}>
      {children}
      <Icon name="down" className="pointer-events-none absolute top-1/2 right-2.5 size-4 -translate-y-1/2 text-quiet" />
    </div>
  );
}

export function Checkbox({ label, hint, className, ...rest }: Omit<ComponentProps<"input">, "id" | "type"> & { label: ReactNode; hint?: string }) {
  return (
    <label className={cx("flex cursor-pointer items-start gap-2.5 py-1", className)}>
      <input type="checkbox" {...rest} className="mt-[0.2rem] size-4 shrink-0 accent-(--solid)" />
      <span className="min-w-0">
        <span className="block [overflow-wrap:anywhere]">{label}</span>
        {hint && <span className="block text-[0.9rem] text-quiet">{hint}</span>}
      </span>
    </label>
  );
}

export function Switch({
  label,
  hint,
  checked,
  onChange,
  disabled,
  bare,
}: {
  label: string;
  hint?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
  /** Without visible text, as in a row of a table. */
  bare?: boolean;
}) {
  const id = useId();
  const knob = (
    <RadixSwitch.Root
      id={id}
      checked={checked}
      onCheckedChange={onChange}
      disabled={disabled}
      aria-label={bare ? label : undefined}
      className="relative h-5.5 w-10 shrink-0 rounded-full border border-transparent bg-faint/70 transition-colors data-[state=checked]:bg-solid disabled:opacity-50"
    >
      <RadixSwitch.Thumb className="block size-4 translate-x-0.5 rounded-full bg-white shadow-sm transition-transform data-[state=checked]:translate-x-5" />
    </RadixSwitch.Root>
  );
  if (bare) return knob;
  return (
    <div className="flex items-start justify-between gap-6">
      <label htmlFor={id} className="min-w-0 cursor-pointer">
        <span className="block font-medium">{label}</span>
        {hint && <span className="block text-[0.93rem] text-quiet">{hint}</span>}
      </label>
      {knob}
    </div>
  );
}

/** What is typed stands at once; it is searched for when typing pauses. */
export function SearchBox({ label, value, onSearch, className }: { label: string; value: string; onSearch: (text: string) => void; className?: string }) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  // While another page is on its way a search would call the reader back from it; if it never comes, it is searched.
  const leaving = useRouterState({ select: ({ location, resolvedLocation }) => resolvedLocation !== undefined && resolvedLocation.pathname !== location.pathname });
  useEffect(() => {
    // Somebody else has changed it, such as a button that clears all filters.
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);
  const search = useEffectEvent((wanted: string) => {
    if (wanted === sent.current) return;
    sent.current = wanted;
    onSearch(wanted);
  });
  useEffect(() => {
    if (leaving) return;
    const timer = setTimeout(() => search(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, leaving]);
  return (
    <div className={cx("relative", className)}>
      <Icon name="search" className="pointer-events-none absolute top-1/2 left-3 size-4 -translate-y-1/2 text-faint" />
      <input
        type="search"
        autoComplete="off"
        spellCheck={false}
        aria-label={label}
        placeholder={label}
        value={text}
        onChange={(event) => setText(event.target.value)}
        className={cx(BOX, "h-10 pl-9 md:h-9")}
      />
    </div>
  );
}

const PAUSE_MS = 200;

/** A form whose submission stays on the page; the browser checks what is required. */
export function Form({ onSubmit, children, id, className }: { onSubmit: () => void; children: ReactNode; id?: string; className?: string }) {
  return (
    <form
      id={id}
      className={className}
      onSubmit={(event) => {
        event.preventDefault();
        // Dialogs stand inside other forms in React's tree, though not in the page's.
        event.stopPropagation();
        onSubmit();
      }}
    >
      {children}
    </form>
  );
}
