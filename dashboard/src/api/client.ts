/** The one way to the admin API: typed by its OpenAPI document, errors as `ApiError`. */
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

type Method = "get" | "post" | "put" | "patch" | "delete";
type Operation<P extends keyof paths, M extends Method> = Extract<paths[P][M], { responses: unknown }>;
type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never;
}[keyof paths];

type Content<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;
type Answer<O> = O extends { responses: infer R }
  ? R extends { 200: infer Ok }
    ? Content<Ok>
    : R extends { 201: infer Made }
      ? Content<Made>
      : undefined
  : never;
type Given<O> = (O extends { parameters: { path: infer Path } } ? { path: Path } : { path?: undefined }) &
  (O extends { parameters: { query?: infer Query } } ? { query?: Query } : { query?: undefined }) &
  (O extends { requestBody: infer Body } ? { body: Content<Body> } : { body?: undefined }) & {
    signal?: AbortSignal;
  };
type Arguments<O> = object extends Given<O> ? [given?: Given<O>] : [given: Given<O>];

/** What the server refused, with its own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Of a 409: which aliases or names are taken. */
    readonly conflicts: Record<string, string>[] = [],
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** The server could not be reached. */
export class Offline extends Error {
  constructor() {
    super("The server does not answer. Check that it runs, then try again.");
    this.name = "Offline";
  }
}

export const api = {
  get: <P extends PathsWith<"get">>(path: P, ...[given]: Arguments<Operation<P, "get">>) =>
    send<Answer<Operation<P, "get">>>("GET", path, given),
  post: <P extends PathsWith<"post">>(path: P, ...[given]: Arguments<Operation<P, "post">>) =>
    send<Answer<Operation<P, "post">>>("POST", path, given),
  put: <P extends PathsWith<"put">>(path: P, ...[given]: Arguments<Operation<P, "put">>) =>
    send<Answer<Operation<P, "put">>>("PUT", path, given),
  patch: <P extends PathsWith<"patch">>(path: P, ...[given]: Arguments<Operation<P, "patch">>) =>
    send<Answer<Operation<P, "patch">>>("PATCH", path, given),
  delete: <P extends PathsWith<"delete">>(path: P, ...[given]: Arguments<Operation<P, "delete">>) =>
    send<Answer<Operation<P, "delete">>>("DELETE", path, given),
};

export type Loose = { path?: unknown; query?: unknown; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal };

/** A call of a route that stands in no document of this client; JSON becomes an object, anything else is left out. */
export async function send<T>(method: string, template: string, given: Loose = {}): Promise<T> {
  const response = await fetched(method, template, given);
  const text = await response.text();
  return (text && isJson(response) ? JSON.parse(text) : undefined) as T;
}

/** The same, for what is answered as text. */
export async function readText(template: string, given: Loose = {}): Promise<string> {
  return (await fetched("GET", template, given)).text();
}

async function fetched(method: string, template: string, given: Loose): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json", ...given.headers };
  if (given.body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(address(template, given.path, given.query), {
      method,
      headers,
      body: given.body === undefined ? null : JSON.stringify(given.body),
      credentials: "same-origin",
      signal: given.signal ?? null,
    });
  } catch (error) {
    if (given.signal?.aborted) throw error;
    throw new Offline();
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** Fill in the names of a path and add the query; absent and empty values are left out. */
export function address(template: string, path: unknown, query: unknown): string {
  const names = (path ?? {}) as Record<string, string>;
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ""));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries((query ?? {}) as Record<string, string | number | boolean | null | undefined>)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

/** The error that a response tells: plain text, `{message}`, or OpenAI's `{error: {message}}`. */
export async function refusal(response: Response): Promise<ApiError> {
  return refusalOf(response.status, isJson(response), await response.text());
}

export function refusalOf(status: number, json: boolean, body: string): ApiError {
  const text = body.trim();
  if (!json) return new ApiError(status, text || `The server answered ${status}.`);
  try {
    const read = JSON.parse(text) as {
      message?: string;
      error?: { message?: string } | string;
      conflicts?: Record<string, string>[];
    };
    const inner = typeof read.error === "object" ? read.error.message : undefined;
    return new ApiError(status, read.message ?? inner ?? text, read.conflicts);
  } catch {
    return new ApiError(status, text);
  }
}

function isJson(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").includes("json");
}
