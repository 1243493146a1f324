/** Stops a call that waits or runs for nobody who would notice that its client left. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, send, type Schemas } from "@/api/client";
import { Button } from "@/ui/button";
import { Note } from "@/ui/state";
import { toast } from "@/ui/toast";

type Call = Pick<Schemas["RequestDetail"], "id" | "status" | "background" | "service_tier" | "user_id" | "uri" | "custom_id">;

/** Calls of an account are cancelled by itself; what a batch has made goes with the batch. */
export function mayCancel(call: Call, me: string): boolean {
  const under = call.status === "queued" || call.status === "in_progress";
  const queued = call.background || call.service_tier === "flex";
  return under && queued && call.custom_id === null && call.user_id === me && call.uri === "/ai/v1/responses";
}

export function CancelCall({ call }: { call: Call }) {
  const client = useQueryClient();
  const [offered, setOffered] = useState(true);
  const cancel = useMutation({
    mutationFn: () => send("POST", "/ai/v1/responses/{id}/cancel", { path: { id: call.id } }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["requests"] });
      toast.done("The response is canceled.");
    },
    onError: (error) => {
      // Such a server has no way to cancel, or the call is over already: then there is nothing to press.
      if (error instanceof ApiError && (error.status === 404 || error.status === 405)) setOffered(false);
      else toast.failed(error);
    },
  });
  if (!offered) return <Note tone="info">It cannot be canceled here.</Note>;
  return (
    <Button look="warning" busy={cancel.isPending} onClick={() => cancel.mutate()}>
      Cancel response
    </Button>
  );
}
