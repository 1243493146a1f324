import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Model } from "@/api/types";
import { ago, count, day } from "@/text/format";
import { Button } from "@/ui/button";
import { CopyText } from "@/ui/copy";
import { Badge, Card, Facts } from "@/ui/layout";
import { Price } from "./price";
import { placeOf, typeLabel } from "./words";

interface Told {
  provider?: string;
  context_window?: number;
  released_at?: string;
  quantization?: string;
}

export function Overview({ model }: { model: Model }) {
  const told = (model.metadata ?? {}) as Told;
  const facts: (readonly [string, ReactNode])[] = [
    ["Name to call it by", <CopyText key="alias" text={model.alias} label="Copy the name" />],
    ["Type", typeLabel(model.model_type)],
  ];
  if (model.endpoint) {
    facts.push(
      ["Endpoint", <Link key="endpoint" to="/endpoints" search={{ q: model.endpoint.name }} className="rounded text-accent hover:underline">{model.endpoint.name}</Link>],
      ["Name at the endpoint", <span key="name" className="font-mono text-[0.92rem]">{model.model_name}</span>],
    );
  }
  if (model.is_composite) facts.push(["Answered by", placeOf(model)]);
  if (told.provider) facts.push(["Provider", told.provider]);
  facts.push(["Price of 1M tokens", <Price key="price" model={model} />]);
  if (told.context_window) facts.push(["Context window", `${count(told.context_window)} tokens`]);
  if (told.released_at) facts.push(["Released", day(told.released_at)]);
  if (told.quantization) facts.push(["Quantization", told.quantization]);
  if (model.capabilities.length > 0) {
    facts.push([
      "Capabilities",
      <span key="capabilities" className="flex flex-wrap gap-1">
        {model.capabilities.map((each) => (
          <Badge key={each}>{each}</Badge>
        ))}
      </span>,
    ]);
  }
  if (model.groups) facts.push(["Open to", model.groups.map((group) => group.name).join(", ") || "Nobody"]);
  facts.push(["Added", day(model.created_at)]);
  if (model.last_sync) facts.push(["Last seen at its server", ago(model.last_sync)]);
  return (
    <Card>
      <div className="p-5">
        {model.description && <p className="mb-5 max-w-3xl whitespace-pre-line">{model.description}</p>}
        <Facts facts={facts} />
        <div className="mt-6 flex flex-wrap gap-2">
          <Button asChild>
            <Link to="/requests" search={{ model: model.alias }}>
              Its requests
            </Link>
          </Button>
        </div>
      </div>
    </Card>
  );
}
