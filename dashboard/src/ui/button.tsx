import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { cx } from "./classes";
import { Icon, type IconName } from "./icon";

type Look = "solid" | "plain" | "ghost" | "danger" | "warning";

const LOOKS: Record<Look, string> = {
  solid: "bg-solid text-on-solid hover:bg-solid-hover border-transparent",
  plain: "bg-surface text-ink border-edge hover:bg-hover",
  ghost: "bg-transparent text-quiet border-transparent hover:bg-hover hover:text-ink",
  warning: "bg-transparent text-bad border-transparent hover:bg-bad-soft",
  danger: "bg-bad-solid text-white border-transparent hover:brightness-110",
};

interface Props extends ComponentProps<"button"> {
  look?: Look;
  size?: "md" | "sm";
  icon?: IconName;
  /** While it works: disabled, and says so. */
  busy?: boolean;
  /** Dresses its only child, such as a link, instead of being a button. */
  asChild?: boolean;
}

const BASE =
  "inline-flex shrink-0 items-center justify-center gap-2 rounded-lg border font-medium whitespace-nowrap transition-colors disabled:opacity-55";
const SIZES = { md: "h-10 px-4 md:h-9 md:px-3.5", sm: "h-9 px-3 text-[0.93rem] md:h-8 md:px-2.5" };

export function Button({ look = "plain", size = "md", icon, busy, asChild, className, children, ...rest }: Props) {
  const classes = cx(BASE, SIZES[size], LOOKS[look], className);
  if (asChild) {
    return (
      <Slot.Root className={classes} {...rest}>
        {children}
      </Slot.Root>
    );
  }
  return (
    <button type="button" {...rest} className={classes} disabled={busy || rest.disabled} aria-busy={busy || undefined}>
      {busy ? <Spinner /> : icon && <Icon name={icon} className="-ml-0.5" />}
      {children}
    </button>
  );
}

export function IconButton({
  icon,
  label,
  className,
  ...rest
}: Omit<ComponentProps<"button">, "children"> & { icon: IconName; label: string }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={cx(
        "inline-flex size-10 shrink-0 items-center justify-center rounded-lg text-quiet transition-colors hover:bg-hover hover:text-ink disabled:opacity-50 md:size-8",
        className,
      )}
    >
      <Icon name={icon} />
    </button>
  );
}

export function Spinner({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 24 24" className={cx("size-4 animate-spin", className)} fill="none" aria-hidden="true">
      <circle cx="12" cy="12" r="9" stroke="currentColor" strokeOpacity="0.25" strokeWidth="3" />
      <path d="M21 12a9 9 0 0 0-9-9" stroke="currentColor" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}
