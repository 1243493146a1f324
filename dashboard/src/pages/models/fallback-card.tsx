import { useState } from "react";
import type { Model, ModelUpdate } from "@/api/types";
import { NumberField } from "@/pages/limits";
import { Button } from "@/ui/button";
import { Form, SelectField, Switch, TextField } from "@/ui/field";
import { Card } from "@/ui/layout";
import { ErrorNote } from "@/ui/state";
import { useModelChange } from "./changes";
import { STRATEGIES } from "./words";

/** Which model of a pool answers, and when the next one is asked. */
export function FallbackCard({ model }: { model: Model }) {
  const fallback = model.fallback;
  const [change, setChange] = useState<ModelUpdate>({});
  const [statuses, setStatuses] = useState((fallback?.on_status ?? []).join(", "));
  const save = useModelChange(model.id, "Pool saved.");
  const edit = (part: ModelUpdate) => setChange((now) => ({ ...now, ...part }));
  const enabled = change.fallback_enabled ?? fallback?.enabled ?? true;
  return (
    <Card title="Who answers, and what happens when it fails">
      <Form className="max-w-2xl space-y-5 p-5" onSubmit={() => save.mutate(change, { onSuccess: () => setChange({}) })}>
        <SelectField label="Strategy" options={STRATEGIES} value={change.lb_strategy ?? model.lb_strategy ?? "weighted_random"} onChange={(event) => edit({ lb_strategy: event.target.value as "priority" })} />
        <Switch label="Try the next model when one fails" hint="Callers notice nothing but the time." checked={enabled} onChange={(fallback_enabled) => edit({ fallback_enabled })} />
        {enabled && (
          <>
            <Switch label="Also when one is over its limit" checked={change.fallback_on_rate_limit ?? fallback?.on_rate_limit ?? true} onChange={(fallback_on_rate_limit) => edit({ fallback_on_rate_limit })} />
            <div className="grid gap-4 sm:grid-cols-2">
              <TextField
                label="On these statuses"
                hint="5 means 500 to 599."
                value={statuses}
                onChange={(event) => {
                  setStatuses(event.target.value);
                  edit({ fallback_on_status: event.target.value.split(/[\s,]+/).filter(Boolean).map(Number) });
                }}
              />
              <NumberField label="Attempts at most" placeholder="one each" value={fallback?.max_attempts ?? null} onChange={(fallback_max_attempts) => edit({ fallback_max_attempts })} />
            </div>
          </>
        )}
        {save.error && <ErrorNote error={save.error} />}
        <Button look="solid" type="submit" busy={save.isPending} disabled={Object.keys(change).length === 0}>
          Save pool
        </Button>
      </Form>
    </Card>
  );
}
