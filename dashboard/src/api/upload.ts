/** Sends a file and tells how much has gone; `fetch` cannot tell that. */
import { Offline, refusalOf } from "./client";
import { FILES, type StoredFile } from "./work";

export interface Upload {
  file: File;
  purpose: string;
  /** Seconds; absent: as long as the server keeps such files. */
  keep?: number | undefined;
  signal: AbortSignal;
  /** Between 0 and 1. */
  onProgress: (part: number) => void;
}

/** Raises `ApiError` with the server's own words, which name the line that is wrong. */
export function upload({ file, purpose, keep, signal, onProgress }: Upload): Promise<StoredFile> {
  // What it is for comes first: then its lines are read as they arrive.
  const form = new FormData();
  form.append("purpose", purpose);
  if (keep !== undefined) {
    form.append("expires_after[anchor]", "created_at");
    form.append("expires_after[seconds]", String(keep));
  }
  form.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", FILES);
    request.setRequestHeader("accept", "application/json");
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onload = () => {
      const json = (request.getResponseHeader("content-type") ?? "").includes("json");
      if (request.status < 400) resolve(JSON.parse(request.responseText) as StoredFile);
      else reject(refusalOf(request.status, json, request.responseText));
    };
    request.onerror = () => reject(new Offline());
    request.onabort = () => reject(new DOMException("The upload was stopped.", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
