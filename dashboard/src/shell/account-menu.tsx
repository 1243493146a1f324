import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { DropdownMenu } from "radix-ui";
import { organizationQuery, ownAccount } from "@/api/queries";
import { useAct, useActing, useMe, useSignOut } from "@/session/session";
import { initials } from "@/text/format";
import { money } from "@/text/money";
import { cx } from "@/ui/classes";
import { Icon, type IconName } from "@/ui/icon";
import { Item, Menu, MENU_ITEM } from "@/ui/menu";
import { toast } from "@/ui/toast";
import { setTheme, THEMES, useTheme, type Theme } from "./theme";

const FACES: Record<Theme, [string, IconName]> = {
  light: ["Light", "sun"],
  dark: ["Dark", "moon"],
  system: ["As the system", "system"],
};

export function AccountMenu() {
  const me = useMe();
  const router = useRouter();
  const signOut = useSignOut(() => router.navigate({ to: "/sign-in" }));
  const theme = useTheme();
  const leave = async () => {
    try {
      await signOut();
    } catch (error) {
      toast.failed(error);
    }
  };
  const name = me.display_name ?? me.username;
  const { organization } = useActing();
  const under = organization ? `For ${organization.name}` : name === me.email ? (me.is_admin ? "Administrator" : "Signed in") : me.email;
  return (
    <Menu
      side="top"
      align="start"
      className="w-58"
      trigger={
        <button
          type="button"
          className="flex w-full items-center gap-2.5 rounded-lg p-1.5 text-left transition-colors hover:bg-hover data-[state=open]:bg-hover"
        >
          <span className="sr-only">Account</span>
          <span aria-hidden="true" className="flex size-8 shrink-0 items-center justify-center rounded-full bg-accent-soft text-[0.9rem] font-semibold text-accent">{initials(name)}</span>
          <span className="min-w-0 flex-1">
            <span className="block truncate leading-5 font-medium">{name}</span>
            <span className="block truncate text-[0.88rem] leading-5 text-quiet">{under}</span>
          </span>
          <Icon name="down" className="size-4 rotate-180 text-faint" />
        </button>
      }
    >
      <Item icon="user" label="Account" onSelect={() => void router.navigate({ to: "/account" })} />
      <Credits />
      <Item icon="info" label="API documentation" onSelect={() => location.assign("/admin/docs")} />
      <Accounts name={name} />
      <DropdownMenu.Separator className="my-1.5 border-t border-line" />
      <DropdownMenu.RadioGroup value={theme} onValueChange={(value) => setTheme(value as Theme)} aria-label="Theme">
        {THEMES.map((each) => (
          <DropdownMenu.RadioItem key={each} value={each} className={cx(MENU_ITEM, "cursor-pointer")} onSelect={(event) => event.preventDefault()}>
            <Icon name={FACES[each][1]} className="text-quiet" />
            {FACES[each][0]}
            <DropdownMenu.ItemIndicator className="ml-auto">
              <Icon name="check" className="size-4 text-accent" />
            </DropdownMenu.ItemIndicator>
          </DropdownMenu.RadioItem>
        ))}
      </DropdownMenu.RadioGroup>
      <DropdownMenu.Separator className="my-1.5 border-t border-line" />
      <Item icon="out" label="Sign out" onSelect={() => void leave()} />
    </Menu>
  );
}

/** For whom one acts: oneself, or one of one's organizations; nothing for who has none. */
function Accounts({ name }: { name: string }) {
  const me = useMe();
  const acting = useActing();
  const act = useAct();
  const choose = async (id: string) => {
    try {
      await act(id === me.id ? null : id);
    } catch (error) {
      toast.failed(error);
    }
  };
  const organizations = me.organizations ?? [];
  if (organizations.length === 0) return null;
  return (
    <>
      <DropdownMenu.Separator className="my-1.5 border-t border-line" />
      <DropdownMenu.RadioGroup value={acting.id} onValueChange={(id) => void choose(id)} aria-label="Act for">
        {[{ id: me.id, name }, ...organizations].map((each) => (
          <DropdownMenu.RadioItem key={each.id} value={each.id} className={cx(MENU_ITEM, "cursor-pointer")}>
            <Icon name={each.id === me.id ? "user" : "users"} className="text-quiet" />
            <span className="truncate">{each.name}</span>
            <DropdownMenu.ItemIndicator className="ml-auto">
              <Icon name="check" className="size-4 text-accent" />
            </DropdownMenu.ItemIndicator>
          </DropdownMenu.RadioItem>
        ))}
      </DropdownMenu.RadioGroup>
    </>
  );
}

/** Asked for when the menu is opened. */
function Credits() {
  const router = useRouter();
  const { organization, leads } = useActing();
  const own = useQuery({ ...ownAccount, staleTime: 0, enabled: organization === null });
  const shared = useQuery({ ...organizationQuery(organization?.id ?? ""), staleTime: 0, enabled: organization !== null && leads });
  const balance = (organization ? shared : own).data?.exact_credit_balance;
  return <Item icon="credits" label={balance === undefined ? "Credits" : `Credits: ${money(balance)}`} onSelect={() => void router.navigate({ to: "/cost-management" })} />;
}
