import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { IconButton } from "./button";
import { cx } from "./classes";
import { Icon, type IconName } from "./icon";

export const MENU =
  "z-50 min-w-48 rounded-xl border border-line bg-surface p-1.5 shadow-float outline-none data-[state=open]:animate-rise";
export const MENU_ITEM =
  "flex h-10 items-center gap-2.5 rounded-lg px-2.5 outline-none select-none data-[highlighted]:bg-hover md:h-8.5";

export interface Action {
  label: string;
  icon: IconName;
  onSelect: () => void;
  danger?: boolean;
}

/** The actions of one row, behind three dots. */
export function RowMenu({ label, actions }: { label: string; actions: readonly Action[] }) {
  return (
    <Menu trigger={<IconButton icon="more" label={label} />}>
      {actions.map((action) => (
        <Item key={action.label} {...action} />
      ))}
    </Menu>
  );
}

export function Menu({ trigger, children, side = "bottom", align = "end", className }: { trigger: ReactNode; children: ReactNode; side?: "top" | "bottom"; align?: "start" | "end"; className?: string }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content side={side} align={align} sideOffset={6} collisionPadding={12} className={cx(MENU, className)}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function Item({ label, icon, onSelect, danger }: Action) {
  return (
    <DropdownMenu.Item className={cx(MENU_ITEM, danger && "text-bad")} onSelect={onSelect}>
      <Icon name={icon} className={danger ? "" : "text-quiet"} />
      {label}
    </DropdownMenu.Item>
  );
}
