/** Changes of a model, each of which makes what is shown of models stale. */
import { useMutation, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { api } from "@/api/client";
import type { ModelUpdate } from "@/api/types";
import { toast } from "@/ui/toast";

export function refreshModels(client: QueryClient): Promise<unknown> {
  return Promise.all(["models", "groups"].map((name) => client.invalidateQueries({ queryKey: [name] })));
}

export function useModelChange(id: string, said = "Saved.") {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: ModelUpdate) => api.patch("/admin/api/v1/models/{model_id}", { path: { model_id: id }, body }),
    onSuccess: async () => {
      await refreshModels(client);
      toast.done(said);
    },
  });
}

/** Opens a model to a group, or closes it. */
export function useAccessChange() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ group, model, open }: { group: string; model: string; open: boolean }) => {
      const path = { group_id: group, model_id: model };
      return open
        ? api.post("/admin/api/v1/groups/{group_id}/models/{model_id}", { path })
        : api.delete("/admin/api/v1/groups/{group_id}/models/{model_id}", { path });
    },
    onSuccess: () => refreshModels(client),
    onError: toast.failed,
  });
}
