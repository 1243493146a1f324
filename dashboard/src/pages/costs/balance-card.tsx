/** What an account has, and when that is little. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import type { Money } from "@/api/queries";
import { amountFault, money, readMoney, sign } from "@/text/money";
import { useActing, useCan, useMe } from "@/session/session";
import { Amount } from "@/ui/amount";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form, TextField } from "@/ui/field";
import { Badge, Card } from "@/ui/layout";
import { ErrorNote, Note } from "@/ui/state";
import { toast } from "@/ui/toast";
import { BookingDialog } from "./booking";

export function BalanceCard({ user }: { user: Money }) {
  const me = useMe();
  const books = useCan("credits.manage");
  const manages = useCan("users.manage");
  const [booking, setBooking] = useState(false);
  const [warning, setWarning] = useState(false);
  const acting = useActing();
  const own = user.id === me.id;
  const leads = acting.leads && user.id === acting.id;
  const balance = user.exact_credit_balance ?? "0";
  const threshold = user.exact_low_balance_threshold ?? null;
  return (
    <>
      <Low user={user} own={own} />
      <Card>
        <div className="flex flex-wrap items-end justify-between gap-x-6 gap-y-4 p-5">
          <div className="min-w-0">
            <h2 className="flex items-center gap-2 text-quiet">
              Balance
              {user.balance_is_low && <Badge tone="warn">Low</Badge>}
            </h2>
            <p className="text-[1.9rem] leading-11 font-semibold tracking-[-0.015em] [overflow-wrap:anywhere]">
              <Amount of={balance} /> <span className="text-base font-normal tracking-normal text-quiet">credits</span>
            </p>
            <p className="text-quiet">{threshold === null ? "No warning is set." : `A warning is shown below ${money(threshold)}.`}</p>
          </div>
          <div className="flex flex-wrap gap-2">
            {(own || leads || manages) && <Button onClick={() => setWarning(true)}>Set warning</Button>}
            {books && (
              <Button look="solid" icon="plus" onClick={() => setBooking(true)}>
                Add or remove credits
              </Button>
            )}
          </div>
        </div>
      </Card>
      {booking && <BookingDialog user={user} balance={balance} onClose={() => setBooking(false)} />}
      {warning && <WarningDialog user={user} threshold={threshold} onClose={() => setWarning(false)} />}
    </>
  );
}

function Low({ user, own }: { user: Money; own: boolean }) {
  const standing = sign(user.exact_credit_balance ?? "0");
  if (standing <= 0) {
    return (
      <Note tone={standing < 0 || user.balance_is_low ? "warn" : "info"} className="mb-4">
        {own ? "You have no credits." : "This account has no credits."} Models with a price refuse {own ? "your" : "its"} calls until some are added; free models answer as always.
      </Note>
    );
  }
  if (!user.balance_is_low) return null;
  return (
    <Note tone="warn" className="mb-4">
      {own ? "Your balance" : "The balance of this account"} is below {money(user.exact_low_balance_threshold ?? "0")}. When it is used up, models with a price refuse calls.
    </Note>
  );
}

function WarningDialog({ user, threshold, onClose }: { user: Money; threshold: string | null; onClose: () => void }) {
  const client = useQueryClient();
  const { organization } = useActing();
  const [typed, setTyped] = useState(threshold ?? "");
  const empty = typed.trim() === "";
  const fault = empty ? null : amountFault(typed);
  const save = useMutation({
    mutationFn: async () => {
      const body = { low_balance_threshold: empty ? null : readMoney(typed) };
      if (organization?.id === user.id) await api.patch("/admin/api/v1/organizations/{organization_id}", { path: { organization_id: user.id }, body });
      else await api.patch("/admin/api/v1/users/{user_id}", { path: { user_id: user.id }, body });
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["users"] });
      toast.done(empty ? "No warning is shown any more." : "The warning is set.");
      onClose();
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title="Warn of a low balance"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="solid" type="submit" form="warning" busy={save.isPending} disabled={fault !== null}>
            Save warning
          </Button>
        </>
      }
    >
      <Form id="warning" className="space-y-4" onSubmit={() => save.mutate()}>
        <TextField label="Below" optional inputMode="decimal" hint="Empty for no warning." error={fault} value={typed} onChange={(event) => setTyped(event.target.value)} />
        {save.error && <ErrorNote error={save.error} />}
      </Form>
    </Dialog>
  );
}
