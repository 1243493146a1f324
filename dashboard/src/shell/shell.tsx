/** What stands around every page: the ways to all pages, the account, the palette. */
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { Dialog as RadixDialog } from "radix-ui";
import { useEffect, useState } from "react";
import { can } from "@/session/permissions";
import { useMe } from "@/session/session";
import { IconButton } from "@/ui/button";
import { cx } from "@/ui/classes";
import { Icon, Mark } from "@/ui/icon";
import { AccountMenu } from "./account-menu";
import { ADMINISTRATION, PLACES, type Place } from "./navigation";
import { Palette } from "./palette";

export function Shell() {
  const [finding, setFinding] = useState(false);
  const [menuOpen, setMenuOpen] = useState(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => setMenuOpen(false), [path]);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setFinding((open) => !open);
      }
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
  const find = () => {
    setMenuOpen(false);
    setFinding(true);
  };
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[15.5rem_minmax(0,1fr)]">
      <a href="#main" className="fixed top-2 left-2 z-50 -translate-y-16 rounded-lg bg-solid px-4 py-2 text-on-solid focus:translate-y-0">
        Skip to the page
      </a>
      <aside className="sticky top-0 hidden h-dvh flex-col border-r border-line bg-sunken lg:flex">
        <Sidebar onFind={find} />
      </aside>
      <header className="sticky top-0 z-30 flex h-14 items-center gap-2 border-b border-line bg-canvas/90 px-2 backdrop-blur lg:hidden">
        <RadixDialog.Root open={menuOpen} onOpenChange={setMenuOpen}>
          <RadixDialog.Trigger asChild>
            <IconButton icon="menu" label="Open the menu" />
          </RadixDialog.Trigger>
          <RadixDialog.Portal>
            <RadixDialog.Overlay className="fixed inset-0 z-40 animate-fade bg-black/40" />
            <RadixDialog.Content aria-describedby={undefined} className="fixed inset-y-0 left-0 z-50 flex w-72 flex-col border-r border-line bg-sunken outline-none animate-fade">
              <RadixDialog.Title className="sr-only">Menu</RadixDialog.Title>
              <Sidebar onFind={find} />
            </RadixDialog.Content>
          </RadixDialog.Portal>
        </RadixDialog.Root>
        <Link to="/" className="flex items-center gap-2 rounded-lg font-semibold">
          <Mark className="size-6" /> Control Layer
        </Link>
        <IconButton icon="search" label="Search" className="ml-auto" onClick={find} />
      </header>
      <main id="main" tabIndex={-1} className="min-w-0 outline-none">
        <Outlet />
      </main>
      <Palette open={finding} onClose={() => setFinding(false)} />
    </div>
  );
}

function Sidebar({ onFind }: { onFind: () => void }) {
  const me = useMe();
  const open = (place: Place) => !place.needs || can(me, place.needs);
  const administration = ADMINISTRATION.filter(open);
  return (
    <>
      <Link to="/" className="mx-3 mt-4 mb-4 flex items-center gap-2.5 rounded-lg px-2 text-[1.05rem] font-semibold tracking-[-0.01em]">
        <Mark />
        Control Layer
      </Link>
      <div className="px-3">
        <button
          type="button"
          onClick={onFind}
          className="flex h-10 w-full items-center gap-2 rounded-lg border border-line bg-surface px-2.5 text-quiet shadow-card transition-colors hover:border-edge md:h-9"
        >
          <Icon name="search" className="size-4" />
          Search
          <kbd className="ml-auto rounded border border-line px-1.5 font-sans text-[0.8rem]">Ctrl K</kbd>
        </button>
      </div>
      <nav aria-label="Pages" className="mt-4 flex-1 overflow-y-auto px-3 pb-4">
        <Places places={PLACES.filter(open)} />
        {administration.length > 0 && (
          <>
            <h2 className="mt-6 mb-1.5 px-2.5 text-[0.85rem] font-medium text-faint">Administration</h2>
            <Places places={administration} />
          </>
        )}
      </nav>
      <div className="border-t border-line p-3">
        <AccountMenu />
      </div>
    </>
  );
}

function Places({ places }: { places: readonly Place[] }) {
  return (
    <ul className="space-y-0.5">
      {places.map((place) => (
        <li key={place.to}>
          <Link
            to={place.to}
            activeOptions={{ exact: place.to === "/", includeSearch: false }}
            className={cx(
              "flex h-10 items-center gap-2.5 rounded-lg px-2.5 text-quiet transition-colors hover:bg-hover hover:text-ink md:h-8.5",
              "data-[status=active]:bg-hover data-[status=active]:font-medium data-[status=active]:text-ink",
            )}
          >
            <Icon name={place.icon} />
            {place.label}
          </Link>
        </li>
      ))}
    </ul>
  );
}
