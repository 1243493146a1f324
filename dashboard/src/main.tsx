import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { makeQueryClient } from "./api/query-client";
import { makeRouter } from "./router";
import { forget } from "./session/session";
import { Toasts } from "./ui/toast";
import "./styles.css";

/** Back to sign-in, and from there to where one was. */
async function expired() {
  const { pathname, href } = router.state.location;
  if (leaving || pathname === "/sign-in") return;
  leaving = true;
  await router.navigate({ to: "/sign-in", search: { to: href, expired: true }, replace: true });
  // Only now: the page that was left has nothing to show without it.
  forget(client);
  leaving = false;
}

let leaving = false;

const client = makeQueryClient(() => void expired());
const router = makeRouter(client);

const place = document.getElementById("root");
if (place) {
  createRoot(place).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
        <Toasts />
      </QueryClientProvider>
    </StrictMode>,
  );
}
