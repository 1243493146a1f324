/** The cache of what the server answered, and the one place that notices an expired session. */
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { ApiError } from "./client";

/** `expired` is called when the server no longer knows the session. */
export function makeQueryClient(expired: () => void): QueryClient {
  const notice = (error: Error) => {
    if (error instanceof ApiError && error.status === 401) expired();
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError: notice }),
    mutationCache: new MutationCache({
      onError: (error, _variables, _result, mutation) => {
        // A wrong current password is a 401 too, and ends nothing.
        if (mutation.meta?.["keepsSession"] !== true) notice(error);
      },
    }),
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        retry: (count, error) => !(error instanceof ApiError && error.status < 500) && count < 2,
      },
    },
  });
}
