/** The models of a pool in their order, and when another one is tried. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "@tanstack/react-router";
import { api } from "@/api/client";
import { modelsQuery, MOST } from "@/api/queries";
import type { Component, Model } from "@/api/types";
import { Button, IconButton } from "@/ui/button";
import { cx } from "@/ui/classes";
import { Filter, Switch } from "@/ui/field";
import { Card } from "@/ui/layout";
import { Empty } from "@/ui/state";
import { toast } from "@/ui/toast";
import { refreshModels } from "./changes";
import { FallbackCard } from "./fallback-card";

export function PoolTab({ model }: { model: Model }) {
  const components = model.components ?? [];
  const priority = model.lb_strategy === "priority";
  const whole = components.filter((each) => each.enabled).reduce((sum, each) => sum + each.weight, 0);
  return (
    <div className="space-y-5">
      <Card title="Models of the pool" action={<Add model={model} components={components} />}>
        {components.length > 0 ? (
          <ol className="divide-y divide-line">
            {components.map((component, at) => (
              <Row key={component.model.id} pool={model.id} component={component} components={components} at={at} priority={priority} share={whole && component.enabled ? component.weight / whole : 0} />
            ))}
          </ol>
        ) : (
          <Empty icon="pool" title="The pool is empty">
            Add models of endpoints. Calls are shared among them, and go on to the next when one fails.
          </Empty>
        )}
      </Card>
      <FallbackCard model={model} />
    </div>
  );
}

function useComponentChange(pool: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (changes: { id: string; weight?: number; enabled?: boolean; sort_order?: number }[]) =>
      Promise.all(changes.map(({ id, ...body }) => api.patch("/admin/api/v1/models/{composite_id}/components/{component_id}", { path: { composite_id: pool, component_id: id }, body }))),
    onSuccess: () => refreshModels(client),
    onError: toast.failed,
  });
}

interface RowProps {
  pool: string;
  component: Component;
  components: readonly Component[];
  at: number;
  priority: boolean;
  share: number;
}

function Row({ pool, component, components, at, priority, share }: RowProps) {
  const client = useQueryClient();
  const change = useComponentChange(pool);
  const remove = useMutation({
    mutationFn: () => api.delete("/admin/api/v1/models/{composite_id}/components/{component_id}", { path: { composite_id: pool, component_id: component.model.id } }),
    onSuccess: () => refreshModels(client),
    onError: toast.failed,
  });
  const { alias } = component.model;
  const move = (step: number) => {
    const order = components.map((each) => each.model.id);
    const [moved] = order.splice(at, 1);
    if (moved) order.splice(at + step, 0, moved);
    change.mutate(order.map((id, place) => ({ id, sort_order: place })));
  };
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3">
      <div className="flex flex-col">
        <IconButton icon="up" label={`Move ${alias} up`} className="size-7 md:size-6" disabled={at === 0 || change.isPending} onClick={() => move(-1)} />
        <IconButton icon="down" label={`Move ${alias} down`} className="size-7 md:size-6" disabled={at === components.length - 1 || change.isPending} onClick={() => move(1)} />
      </div>
      <div className={cx("min-w-0 flex-1 basis-40", !component.enabled && "opacity-70")}>
        <Link to="/models/$modelId" params={{ modelId: component.model.id }} className="block truncate rounded font-medium hover:text-accent">
          {alias}
        </Link>
        <span className="block truncate text-[0.9rem] text-quiet">
          {component.model.endpoint.name}
          {priority ? (component.enabled ? ` · ${at === 0 ? "asked first" : `asked as number ${at + 1}`}` : " · switched off") : ` · ${Math.round(share * 100)} % of the calls`}
        </span>
      </div>
      {!priority && (
        <label className="flex items-center gap-2 text-quiet">
          Weight
          <input
            type="number"
            min={1}
            max={100}
            defaultValue={component.weight}
            aria-label={`Weight of ${alias}`}
            onBlur={(event) => {
              const weight = Number(event.target.value);
              if (weight !== component.weight) change.mutate([{ id: component.model.id, weight }]);
            }}
            className="h-9 w-18 rounded-lg border border-edge bg-surface px-2.5 text-right text-ink tabular-nums md:h-8"
          />
        </label>
      )}
      <Switch bare label={`Use ${alias}`} checked={component.enabled} onChange={(enabled) => change.mutate([{ id: component.model.id, enabled }])} />
      <IconButton icon="close" label={`Remove ${alias}`} disabled={remove.isPending} onClick={() => remove.mutate()} />
    </li>
  );
}

function Add({ model, components }: { model: Model; components: readonly Component[] }) {
  const client = useQueryClient();
  const [chosen, setChosen] = useState("");
  const hosted = useQuery(modelsQuery({ is_composite: false, limit: MOST, sort: "alias", sort_direction: "asc" }));
  const there = new Set(components.map((component) => component.model.id));
  const left = hosted.data?.data.filter((each) => !there.has(each.id)) ?? [];
  const id = left.some((each) => each.id === chosen) ? chosen : (left[0]?.id ?? "");
  const add = useMutation({
    mutationFn: () => api.post("/admin/api/v1/models/{composite_id}/components/{component_id}", { path: { composite_id: model.id, component_id: id }, body: { weight: 1, enabled: true } }),
    onSuccess: () => refreshModels(client),
    onError: toast.failed,
  });
  if (left.length === 0) return null;
  return (
    <div className="flex w-full gap-2 sm:w-auto">
      <Filter label="Model to add" className="min-w-0 flex-1 sm:w-56" options={left.map((each) => ({ value: each.id, label: each.alias }))} value={id} onChange={(event) => setChosen(event.target.value)} />
      <Button icon="plus" busy={add.isPending} onClick={() => add.mutate()}>
        Add
      </Button>
    </div>
  );
}
