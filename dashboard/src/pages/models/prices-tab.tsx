/** What callers pay for a model, what they paid before, and for managers what the operator pays. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import type { Model, Tariff, TariffGiven } from "@/api/types";
import { useCan } from "@/session/session";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/dialog";
import { Card } from "@/ui/layout";
import { Empty } from "@/ui/state";
import { toast } from "@/ui/toast";
import { refreshModels } from "./changes";
import { ProviderCard } from "./provider-card";
import { TariffDialog } from "./tariff-dialog";
import { TariffTable } from "./tariff-table";
import { changed, forWhat, mainTariff } from "./tariffs";

export function PricesTab({ model }: { model: Model }) {
  const manager = useCan("models.manage");
  const [editing, setEditing] = useState<Tariff | "new" | null>(null);
  const [closing, setClosing] = useState<Tariff | null>(null);
  const tariffs = model.tariffs ?? [];
  const change = useTariffChange(model.id, tariffs);
  const edit = (tariff: Tariff | "new") => {
    change.reset();
    setEditing(tariff);
  };
  const before = model.closed_tariffs ?? [];
  const add = manager && (
    <Button icon="plus" onClick={() => edit("new")}>
      Add tariff
    </Button>
  );
  return (
    <div className="space-y-5">
      <Card title={manager ? "What callers pay" : "What you pay"} action={tariffs.length > 0 && add} className="overflow-hidden">
        {tariffs.length > 0 ? (
          <>
            <TariffTable label="Tariffs" tariffs={tariffs} actions={manager ? { edit, close: setClosing } : undefined} />
            <p className="border-t border-line px-5 py-3 text-quiet">
              Prices are for 1M tokens. A call is charged by the tariff for its kind, else by that of applications, else by that for every call
              {mainTariff(tariffs) ? "." : "; here calls of applications have none and are free."}
            </p>
          </>
        ) : (
          <Empty icon="credits" title="This model is free" action={add}>
            Its calls are recorded and cost nothing.{manager && " With a tariff they are charged to the credits of whoever calls."}
          </Empty>
        )}
      </Card>
      {manager && !model.is_composite && <ProviderCard model={model} />}
      {before.length > 0 && (
        <Card title="Earlier tariffs" className="overflow-hidden">
          <TariffTable label="Earlier tariffs" tariffs={before} />
        </Card>
      )}
      {editing && <TariffDialog tariffs={tariffs} edited={editing === "new" ? null : editing} change={change} onClose={() => setEditing(null)} />}
      {closing && (
        <Confirm open onClose={() => setClosing(null)} title={`Close “${closing.name}”?`} verb="Close tariff" act={() => change.mutateAsync({ closed: closing.id })}>
          {forWhat(closing)}: {after(tariffs, closing)} What was charged stays as it is.
        </Confirm>
      )}
    </div>
  );
}

/** What becomes of the calls of a tariff that is closed. */
function after(tariffs: readonly Tariff[], closed: Tariff): string {
  const next = mainTariff(tariffs.filter((each) => each.id !== closed.id));
  return next ? `charged by “${next.name}” from now on.` : "free from now on.";
}

export type TariffChange = ReturnType<typeof useTariffChange>;

/** Tariffs are set all at once, in place of those that this page shows; the server refuses if others are in force by now. */
function useTariffChange(id: string, inForce: readonly Tariff[]) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (wanted: { opened?: TariffGiven; closed?: string | undefined }) => {
      const body = { tariffs: changed(inForce, wanted), replaces_tariffs: inForce.map((each) => each.id) };
      return api.patch("/admin/api/v1/models/{model_id}", { path: { model_id: id }, body });
    },
    // Refused or not, the table then shows what is in force.
    onSettled: () => refreshModels(client),
    onSuccess: (_, wanted) => {
      toast.done(wanted.opened ? "The tariff is in force." : "The tariff is closed.");
    },
  });
}
