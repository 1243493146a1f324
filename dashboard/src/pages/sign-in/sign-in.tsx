/** The door: sign in, or make an account where that is allowed; then back to where one was. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { api, ApiError } from "@/api/client";
import { loginState, whoami } from "@/session/session";
import { Button } from "@/ui/button";
import { Form, TextField } from "@/ui/field";
import { Mark } from "@/ui/icon";
import { ErrorNote, Note } from "@/ui/state";

const route = getRouteApi("/sign-in");

export function SignInPage() {
  const [registering, setRegistering] = useState(false);
  const { to, expired } = route.useSearch();
  const login = useQuery(loginState);
  const registration = useQuery({ queryKey: ["registration-state"], queryFn: () => api.get("/authentication/register") });
  useEffect(() => {
    document.title = "Sign in · Control Layer";
  }, []);
  return (
    <main className="flex min-h-dvh flex-col items-center px-5 pt-[max(9vh,2.5rem)] pb-12">
      <div className="w-full max-w-[23rem]">
        <Mark className="mb-6 size-11" />
        <h1 className="text-[1.6rem] leading-9 font-semibold tracking-[-0.015em]">
          {registering ? "Create your account" : "Sign in to Control Layer"}
        </h1>
        <p className="mt-1 mb-7 text-quiet">One door to your language models: keys, limits and every request.</p>
        {expired && !registering && (
          <Note tone="info" className="mb-5">
            Your session has ended. Sign in, and you are back where you were.
          </Note>
        )}
        {login.data?.enabled === false ? (
          <Note tone="warn">{login.data.message}. Come in through the address that your organization gave you.</Note>
        ) : registering ? (
          <Register to={to} />
        ) : (
          <SignIn to={to} />
        )}
        {registration.data?.enabled && (
          <p className="mt-6 text-quiet">
            {registering ? "You have an account?" : "No account yet?"}{" "}
            <button type="button" className="rounded font-medium text-accent hover:underline" onClick={() => setRegistering(!registering)}>
              {registering ? "Sign in" : "Create one"}
            </button>
          </p>
        )}
        {!registering && (
          <p className="mt-8 border-t border-line pt-4 text-[0.93rem] text-quiet">
            At the first start, the server printed the administrator's address and password in its terminal.
          </p>
        )}
      </div>
    </main>
  );
}

function useEnter(to: string | undefined) {
  const client = useQueryClient();
  const router = useRouter();
  return async (user: Awaited<ReturnType<typeof signIn>>["user"]) => {
    client.clear();
    client.setQueryData(whoami.queryKey, user);
    // The browser may still know of an organization, which the server looks up.
    await client.query({ ...whoami, staleTime: 0 });
    // Only a path of this site: an address that somebody was sent may not lead elsewhere.
    const target = to?.startsWith("/") && !to.startsWith("//") && !to.startsWith("/\\") ? to : "/";
    await router.navigate({ href: target, replace: true });
  };
}

const signIn = (body: { email: string; password: string }) => api.post("/authentication/login", { body });

function SignIn({ to }: { to: string | undefined }) {
  const enter = useEnter(to);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const { mutate, error, isPending } = useMutation({
    mutationFn: signIn,
    onSuccess: ({ user }) => enter(user),
  });
  return (
    <Form className="space-y-4" onSubmit={() => mutate({ email, password })}>
      <TextField label="Email" type="text" inputMode="email" autoComplete="username" required autoFocus value={email} onChange={(event) => setEmail(event.target.value)} />
      <TextField label="Password" type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
      {error && <ErrorNote error={error instanceof ApiError && error.status === 401 ? "This email and password do not match." : error} />}
      <Button look="solid" type="submit" busy={isPending} className="w-full">
        Sign in
      </Button>
    </Form>
  );
}

function Register({ to }: { to: string | undefined }) {
  const enter = useEnter(to);
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const { mutate, error, isPending } = useMutation({
    mutationFn: () => api.post("/authentication/register", { body: { username: email, email, password, display_name: name || null } }),
    onSuccess: ({ user }) => enter(user),
  });
  return (
    <Form className="space-y-4" onSubmit={() => mutate()}>
      <TextField label="Name" optional autoComplete="name" value={name} onChange={(event) => setName(event.target.value)} />
      <TextField label="Email" type="email" autoComplete="username" required value={email} onChange={(event) => setEmail(event.target.value)} />
      <TextField label="Password" type="password" autoComplete="new-password" required hint="At least 8 characters." value={password} onChange={(event) => setPassword(event.target.value)} />
      {error && <ErrorNote error={error} />}
      <Button look="solid" type="submit" busy={isPending} className="w-full">
        Create account
      </Button>
    </Form>
  );
}
