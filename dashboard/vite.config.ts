import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

// The server to develop against: `DWCTL=http://127.0.0.1:3001 npm run dev`.
const server = process.env["DWCTL"] ?? "http://127.0.0.1:3001";
const proxy = Object.fromEntries(
  ["/admin", "/authentication", "/ai"].map((path) => [path, { target: server, changeOrigin: false }]),
);

// As strict as the server's own, so that what it would refuse is noticed here.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: {
    alias: [
      { find: "@", replacement: source("").replace(/\/$/, "") },
      // Radix locks scrolling with a package that writes a <style> element, which our
      // Content-Security-Policy forbids; ours does it through the element's own style.
      { find: "react-remove-scroll", replacement: source("ui/scroll-lock.tsx") },
    ],
  },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  server: { proxy },
  preview: { proxy, headers: { "content-security-policy": POLICY } },
});
