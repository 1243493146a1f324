import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { keysQuery } from "@/api/queries";
import { useActing } from "@/session/session";
import { Button } from "@/ui/button";
import { SearchBox } from "@/ui/field";
import { Card, Page } from "@/ui/layout";
import { Bones, Empty, Failed } from "@/ui/state";
import { useTitle } from "@/ui/title";
import { KeyTable } from "./key-table";
import { NewKeyDialog } from "./new-key";

const route = getRouteApi("/shell/keys");

export function KeysPage() {
  useTitle("API keys");
  const acting = useActing();
  const { q = "", order, create } = route.useSearch();
  const navigate = route.useNavigate();
  const keys = useQuery(keysQuery(acting.id));
  const creating = (open: boolean) => void navigate({ search: (now) => ({ ...now, create: open || undefined }) });
  const found = keys.data?.data.filter((key) => `${key.name} ${key.key_prefix}`.toLowerCase().includes(q.toLowerCase()));
  const newKey = (
    <Button look="solid" icon="plus" onClick={() => creating(true)}>
      Create key
    </Button>
  );
  return (
    <Page title="API keys" description={acting.organization ? `Your keys of ${acting.organization.name}, which pays for their calls.` : "Applications call models with a key. Give each one its own, so that each can be limited and revoked alone."} actions={newKey}>
      {keys.data && keys.data.data.length > 0 && (
        <SearchBox label="Search keys" className="mb-4 sm:w-72" value={q} onSearch={(wanted) => void navigate({ search: (now) => ({ ...now, q: wanted || undefined }), replace: true })} />
      )}
      <Card className="overflow-hidden">
        {found ? (
          found.length > 0 ? (
            <KeyTable keys={found} owner={acting.id} order={order ?? "-created_at"} onOrder={(next) => void navigate({ search: (now) => ({ ...now, order: next }), replace: true })} />
          ) : q ? (
            <Empty icon="search" title="No key found">No key is called “{q}”.</Empty>
          ) : (
            <Empty icon="keys" title="No keys yet" action={newKey}>
              Create one, paste it into an application in place of its OpenAI key, and point the application at this server.
            </Empty>
          )
        ) : keys.isError ? (
          <Failed error={keys.error} retry={() => void keys.refetch()} />
        ) : (
          <Bones />
        )}
      </Card>
      <NewKeyDialog open={create === true} onClose={() => creating(false)} owner={acting.id} own />
    </Page>
  );
}
