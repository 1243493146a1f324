import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { ApiKey } from "@/api/types";
import { Revealed, useNewKey } from "@/pages/keys/new-key";
import { useActing } from "@/session/session";
import { useSecret } from "@/session/secrets";
import { Button } from "@/ui/button";
import { Form, TextField } from "@/ui/field";
import { ErrorNote } from "@/ui/state";
import { Snippets } from "./snippets";

interface Props {
  models: readonly string[];
  /** Of the keys that are there. */
  count: number;
  /** The key that was made here, as long as the page is open. */
  made: ApiKey | null;
  onMade: (key: ApiKey) => void;
  onNext: () => void;
}

export function KeyStep({ models, count, made, onMade, onNext }: Props) {
  const acting = useActing();
  const secret = useSecret();
  const [name, setName] = useState(count === 0 ? "first key" : `key ${count + 1}`);
  const create = useNewKey(acting.id, true);
  if (made?.key) {
    return (
      <>
        <Revealed apiKey={made} secret={made.key} />
        <Button look="solid" className="mt-5" onClick={onNext}>
          I have copied it
        </Button>
      </>
    );
  }
  return (
    <div className="space-y-5">
      <Form className="flex flex-wrap items-end gap-2" onSubmit={() => create.mutate({ name }, { onSuccess: onMade })}>
        <TextField label="Name of the key" required className="w-full sm:w-64" value={name} onChange={(event) => setName(event.target.value)} />
        <Button look="solid" type="submit" busy={create.isPending}>
          Create key
        </Button>
        <Button asChild look="ghost">
          <Link to="/keys">All keys</Link>
        </Button>
      </Form>
      {create.error && <ErrorNote error={create.error} />}
      <Snippets secret={secret?.secret} model={models[0] ?? "MODEL"} />
    </div>
  );
}
