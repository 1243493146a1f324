/** The frame of every page: its heading, cards, badges, tabs and lists of facts. */
import type { ReactNode } from "react";
import { Link, type LinkProps } from "@tanstack/react-router";
import { cx } from "./classes";
import { Icon } from "./icon";

export function Page({
  title,
  description,
  actions,
  back,
  badge,
  children,
}: {
  title: string;
  description?: ReactNode;
  actions?: ReactNode;
  back?: { to: LinkProps["to"]; label: string };
  badge?: ReactNode;
  children: ReactNode;
}) {
  return (
    <div className="mx-auto w-full max-w-[78rem] px-4 pt-5 pb-16 sm:px-6 lg:px-10 lg:pt-8">
      <header className="mb-5 flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
        <div className="min-w-0">
          {back && (
            <Link to={back.to} className="mb-1.5 -ml-1 inline-flex items-center gap-0.5 rounded text-quiet hover:text-ink">
              <Icon name="back" className="size-4" />
              {back.label}
            </Link>
          )}
          <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <h1 className="text-[1.6rem] leading-9 font-semibold tracking-[-0.015em] [overflow-wrap:anywhere]">{title}</h1>
            {badge}
          </div>
          {description && <p className="max-w-2xl text-quiet">{description}</p>}
        </div>
        {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export function Card({ children, className, title, action }: { children: ReactNode; className?: string; title?: string; action?: ReactNode }) {
  return (
    <section className={cx("rounded-xl border border-line bg-surface shadow-card", className)}>
      {title && (
        <div className="flex min-h-13 flex-wrap items-center justify-between gap-2 border-b border-line px-5 py-2">
          <h2 className="font-semibold">{title}</h2>
          {action}
        </div>
      )}
      {children}
    </section>
  );
}

const TONES = {
  plain: "bg-hover text-quiet",
  good: "bg-good-soft text-good",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  accent: "bg-accent-soft text-accent",
};
export type Tone = keyof typeof TONES;

export function Badge({ tone = "plain", children, dot, className }: { tone?: Tone; children: ReactNode; dot?: boolean; className?: string }) {
  return (
    <span
      className={cx(
        "inline-flex items-center gap-1.5 rounded-md px-2 py-0.5 text-[0.86rem] leading-5 font-medium whitespace-nowrap tabular-nums",
        TONES[tone],
        className,
      )}
    >
      {dot && <span className="size-1.5 rounded-full bg-current" />}
      {children}
    </span>
  );
}

/** Names and values, in two columns where there is room. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
      {facts.map(([name, value]) => (
        <div key={name} className="min-w-0">
          <dt className="text-[0.9rem] text-quiet">{name}</dt>
          <dd className="mt-0.5 [overflow-wrap:anywhere] tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Tabs that live in the URL: each is a link of its own. */
export function Tabs<T extends string>({
  tabs,
  current,
  onSelect,
  label,
  className,
}: {
  tabs: readonly { id: T; label: string; count?: number }[];
  current: T;
  onSelect: (id: T) => void;
  label: string;
  className?: string;
}) {
  const move = (step: number) => {
    const at = tabs.findIndex((tab) => tab.id === current);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    if (next) {
      onSelect(next.id);
      document.getElementById(`tab-${next.id}`)?.focus();
    }
  };
  return (
    <div
      role="tablist"
      aria-label={label}
      className={cx("flex gap-5 overflow-x-auto border-b border-line", className)}
      onKeyDown={(event) => {
        if (event.key === "ArrowRight") move(1);
        if (event.key === "ArrowLeft") move(-1);
      }}
    >
      {tabs.map((tab) => (
        <button
          key={tab.id}
          id={`tab-${tab.id}`}
          type="button"
          role="tab"
          aria-selected={tab.id === current}
          aria-controls="tab-panel"
          tabIndex={tab.id === current ? 0 : -1}
          onClick={() => onSelect(tab.id)}
          className={cx(
            "-mb-px border-b-2 py-2.5 font-medium whitespace-nowrap transition-colors focus-visible:-outline-offset-2",
            tab.id === current ? "border-accent text-ink" : "border-transparent text-quiet hover:text-ink",
          )}
        >
          {tab.label}
          {tab.count !== undefined && <span className="ml-1 text-faint tabular-nums"> {tab.count}</span>}
        </button>
      ))}
    </div>
  );
}

export function TabPanel({ tab, children, className }: { tab: string; children: ReactNode; className?: string }) {
  return (
    <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={-1} className={cx("outline-none", className)}>
      {children}
    </div>
  );
}
