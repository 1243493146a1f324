import { useState } from "react";
import type { Model, ModelUpdate } from "@/api/types";
import { LimitFields, NumberField } from "@/pages/limits";
import { Button } from "@/ui/button";
import { Form } from "@/ui/field";
import { Card } from "@/ui/layout";
import { ErrorNote } from "@/ui/state";
import { useModelChange } from "./changes";
import { RulesCard } from "./rules-card";

export function LimitsTab({ model }: { model: Model }) {
  const [change, setChange] = useState<ModelUpdate>({});
  const save = useModelChange(model.id, "Limits saved.");
  const edit = (part: ModelUpdate) => setChange((now) => ({ ...now, ...part }));
  return (
    <div className="space-y-5">
      <Card title="Limits for all callers together">
        <Form className="max-w-2xl space-y-5 p-5" onSubmit={() => save.mutate(change)}>
          <p className="text-quiet">A call beyond a limit is refused with status 429 and told when to come back. Empty means no limit.</p>
          <LimitFields limits={{ ...model, ...change }} without={["max_concurrent"]} onChange={edit} />
          <div className="grid gap-4 sm:grid-cols-2">
            <NumberField label="Requests at the same time" placeholder="no limit" value={model.capacity ?? null} onChange={(capacity) => edit({ capacity })} />
          </div>
          {save.error && <ErrorNote error={save.error} />}
          <Button look="solid" type="submit" busy={save.isPending} disabled={Object.keys(change).length === 0}>
            Save limits
          </Button>
        </Form>
      </Card>
      <RulesCard model={model} />
    </div>
  );
}
