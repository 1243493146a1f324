/** What files are for. */
export const PURPOSES = [
  { value: "batch", label: "Batch" },
  { value: "user_data", label: "User data" },
  { value: "vision", label: "Vision" },
  { value: "assistants", label: "Assistants" },
  { value: "evals", label: "Evaluations" },
] as const;

/** Made by batches. */
const MADE = [
  { value: "batch_output", label: "Batch output" },
  { value: "batch_error", label: "Batch errors" },
] as const;

export const PURPOSE_OPTIONS = [{ value: "", label: "Every purpose" }, ...PURPOSES, ...MADE];

export function purposeLabel(purpose: string): string {
  return PURPOSE_OPTIONS.find(({ value }) => value === purpose)?.label ?? purpose;
}
