import type { Model } from "@/api/types";

export const TYPES = [
  { value: "CHAT", label: "Chat" },
  { value: "EMBEDDINGS", label: "Embeddings" },
  { value: "RERANKER", label: "Reranker" },
] as const;

export function typeLabel(type: string): string {
  return TYPES.find((each) => each.value === type)?.label ?? type;
}

export const STRATEGIES = [
  { value: "weighted_random", label: "Balance: by weight and load" },
  { value: "priority", label: "Priority: the first that works" },
] as const;

/** Where its calls go. */
export function placeOf(model: Model): string {
  if (model.is_composite) {
    const number = model.components?.length ?? 0;
    return number === 1 ? "Pool of 1 model" : `Pool of ${number} models`;
  }
  return model.endpoint?.name ?? "";
}

/** What is called "realtime" and so on, as people read it. */
export const PURPOSES = [
  ["realtime", "Calls of applications"],
  ["batch", "Lines of batches"],
  ["playground", "Calls from this dashboard"],
] as const;
