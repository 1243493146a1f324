/** Adds credits to an account, or takes some away. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ApiError } from "@/api/client";
import type { Money } from "@/api/queries";
import { amountFault, minus, money, plus, readMoney } from "@/text/money";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Form, SelectField, TextArea, TextField } from "@/ui/field";
import { ErrorNote } from "@/ui/state";
import { toast } from "@/ui/toast";
import { newSource } from "./entries";

const CHOICES = [
  { value: "admin_grant", label: "Add credits" },
  { value: "admin_removal", label: "Remove credits" },
] as const;
type Choice = (typeof CHOICES)[number]["value"];

export function BookingDialog({ user, balance, onClose }: { user: Money; balance: string; onClose: () => void }) {
  const client = useQueryClient();
  const [kind, setKind] = useState<Choice>("admin_grant");
  const [typed, setTyped] = useState("");
  const [description, setDescription] = useState("");
  // One name for one booking: sent again after an answer that got lost, it is booked once. Another booking has another.
  const [source, setSource] = useState(newSource);
  const amount = amountFault(typed) === null ? readMoney(typed) : null;
  const edited = (change: () => void) => {
    change();
    setSource(newSource());
    book.reset();
  };
  const book = useMutation({
    mutationFn: async (exact: string) => {
      try {
        await api.post("/admin/api/v1/transactions", { body: { user_id: user.id, transaction_type: kind, amount: exact, source_id: source, description: description.trim() || null } });
      } catch (error) {
        // It is there already: only the answer had got lost.
        if (!(error instanceof ApiError && error.status === 409)) throw error;
      }
    },
    onSuccess: async (_, exact) => {
      await Promise.all(["users", "transactions"].map((name) => client.invalidateQueries({ queryKey: [name] })));
      toast.done(`${money(exact)} credits are ${kind === "admin_grant" ? "added" : "removed"}.`);
      onClose();
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title="Add or remove credits"
      description={`Of ${user.email}, who has ${money(balance)}.`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look={kind === "admin_grant" ? "solid" : "danger"} type="submit" form="booking" busy={book.isPending} disabled={amount === null}>
            {CHOICES.find((choice) => choice.value === kind)?.label}
          </Button>
        </>
      }
    >
      <Form id="booking" className="space-y-4" onSubmit={() => amount !== null && book.mutate(amount)}>
        <SelectField label="What to do" options={CHOICES} value={kind} onChange={(event) => edited(() => setKind(event.target.value as Choice))} />
        <TextField
          label="Amount"
          required
          autoFocus
          inputMode="decimal"
          boxClass="tabular-nums"
          hint={amount === null ? undefined : `The balance is then ${money(kind === "admin_grant" ? plus(balance, amount) : minus(balance, amount))}.`}
          error={typed === "" ? null : amountFault(typed)}
          value={typed}
          onChange={(event) => edited(() => setTyped(event.target.value))}
        />
        <TextArea label="Description" optional hint="The owner of the account reads it too." maxLength={2048} value={description} onChange={(event) => edited(() => setDescription(event.target.value))} />
        {book.error && <ErrorNote error={book.error} />}
      </Form>
    </Dialog>
  );
}
