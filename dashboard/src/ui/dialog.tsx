/** Dialogs in the middle, drawers at the side, and the question before something is destroyed. */
import { AlertDialog as RadixAlert, Dialog as RadixDialog } from "radix-ui";
import { useState, type ReactNode } from "react";
import { Button, IconButton } from "./button";
import { cx } from "./classes";
import { ErrorNote } from "./state";

const VEIL = "fixed inset-0 z-40 bg-black/40 backdrop-blur-[1px] data-[state=open]:animate-fade dark:bg-black/60";

interface Props {
  open: boolean;
  onClose: () => void;
  title: string;
  description?: ReactNode;
  children: ReactNode;
  /** Below the content, usually buttons. */
  footer?: ReactNode;
}

function Head({ title, description }: { title: string; description?: ReactNode }) {
  return (
    <div className="flex items-start justify-between gap-4 border-b border-line px-5 pt-4 pb-3.5">
      <div className="min-w-0">
        <RadixDialog.Title className="text-[1.15rem] leading-7 font-semibold [overflow-wrap:anywhere]">{title}</RadixDialog.Title>
        {description && <RadixDialog.Description className="text-quiet">{description}</RadixDialog.Description>}
      </div>
      <RadixDialog.Close asChild>
        <IconButton icon="close" label="Close" className="-mr-2" />
      </RadixDialog.Close>
    </div>
  );
}

function Foot({ children }: { children: ReactNode }) {
  return <div className="flex flex-wrap justify-end gap-2 border-t border-line px-5 py-3.5">{children}</div>;
}

/** What is to be filled in comes before the button that closes; without fields Radix chooses. */
function toFirstField(event: Event) {
  const field = (event.currentTarget as HTMLElement).querySelector<HTMLElement>("input:not([type=checkbox]):not(:disabled), textarea, select");
  if (field === null) return;
  event.preventDefault();
  field.focus();
}

/** A drawer is read, so nothing in it is put forward. */
function toItself(event: Event) {
  event.preventDefault();
  (event.currentTarget as HTMLElement).focus();
}

export function Dialog({ open, onClose, title, description, children, footer, wide }: Props & { wide?: boolean }) {
  return (
    <RadixDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className={VEIL} />
        <RadixDialog.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          onOpenAutoFocus={toFirstField}
          className={cx(
            "fixed z-50 flex flex-col bg-surface shadow-float outline-none data-[state=open]:animate-rise",
            "inset-x-0 bottom-0 max-h-[92dvh] rounded-t-2xl border-t border-line",
            "sm:inset-x-auto sm:bottom-auto sm:top-[max(4vh,calc(40vh-20rem))] sm:left-1/2 sm:max-h-[88vh] sm:-translate-x-1/2 sm:rounded-xl sm:border",
            wide ? "sm:w-[min(44rem,94vw)]" : "sm:w-[min(32rem,94vw)]",
          )}
        >
          <Head title={title} description={description} />
          <div className="min-h-0 overflow-y-auto px-5 py-4">{children}</div>
          {footer && <Foot>{footer}</Foot>}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

export function Drawer({ open, onClose, title, description, children, footer }: Props) {
  return (
    <RadixDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className={VEIL} />
        <RadixDialog.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          onOpenAutoFocus={toItself}
          className="fixed inset-y-0 right-0 z-50 flex w-full flex-col border-l border-line bg-surface shadow-float outline-none data-[state=open]:animate-slide sm:w-[min(42rem,92vw)]"
        >
          <Head title={title} description={description} />
          <div className="min-h-0 flex-1 overflow-y-auto">{children}</div>
          {footer && <Foot>{footer}</Foot>}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

/** Asks before something is destroyed; `act` may fail, and the question then says why. */
export function Confirm({
  open,
  onClose,
  title,
  children,
  verb,
  act,
}: {
  open: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  verb: string;
  act: () => Promise<unknown>;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setError(null);
    onClose();
  };
  const carryOut = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
      close();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <RadixAlert.Root open={open} onOpenChange={(next) => !next && close()}>
      <RadixAlert.Portal>
        <RadixAlert.Overlay className={VEIL} />
        <RadixAlert.Content className="fixed inset-x-4 top-[22vh] z-50 rounded-xl border border-line bg-surface p-5 shadow-float data-[state=open]:animate-rise sm:inset-x-auto sm:left-1/2 sm:w-[27rem] sm:-translate-x-1/2">
          <RadixAlert.Title className="text-[1.15rem] font-semibold [overflow-wrap:anywhere]">{title}</RadixAlert.Title>
          <RadixAlert.Description asChild>
            <div className="mt-1.5 text-quiet">{children}</div>
          </RadixAlert.Description>
          {error !== null && <ErrorNote error={error} className="mt-3" />}
          <div className="mt-5 flex justify-end gap-2">
            <RadixAlert.Cancel asChild>
              <Button>Cancel</Button>
            </RadixAlert.Cancel>
            <Button look="danger" busy={busy} onClick={() => void carryOut()}>
              {verb}
            </Button>
          </div>
        </RadixAlert.Content>
      </RadixAlert.Portal>
    </RadixAlert.Root>
  );
}
