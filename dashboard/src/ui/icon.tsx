/** Line icons on a grid of 24, drawn in the colour of the text. */
import { cx } from "./classes";

const PATHS = {
  start: "M5 12.5 9.5 17 19 7.5",
  requests: "M4 7h16M4 12h10M4 17h13",
  models: "M12 3.5 20 8v8l-8 4.5L4 16V8zM4 8l8 4.5L20 8M12 12.5v8",
  keys: "M15.5 8.5h.01M20 9.5a5 5 0 1 0-9.6 1.9L4 17.8v2.7h3V18h2.5v-2.5h2.3l1.2-1.2a5 5 0 0 0 7-4.8z",
  endpoints: "M5 5h14v5H5zM5 14h14v5H5zM8.5 7.5h.01M8.5 16.5h.01",
  tools: "M14.500 6.500a4 4 0 0 0-5.300 5L4 16.700V20h3.300l5.200-5.200a4 4 0 0 0 5-5.300l-2.500 2.500-2.500-.5-.5-2.500z",
  groups: "M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM3.5 19c.4-3 2.6-4.5 5.5-4.500s5.1 1.5 5.5 4.500M16 5.500a3 3 0 0 1 0 5.200M17.5 14.700c1.7.6 2.7 2 3 4.3",
  users: "M12 11.500a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM5 20c.5-3.6 3.3-5.5 7-5.500s6.5 1.9 7 5.5",
  credits: "M18 8V5H6.5a2.5 2.5 0 0 0 0 5H20v9H6a2 2 0 0 1-2-2V7.5M16.500 14.500h.01",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20 20",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 12.5 9.5 17 19 7.5",
  chevron: "M9 6l6 6-6 6",
  down: "M6 9l6 6 6-6",
  back: "M14.5 6l-6 6 6 6",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 3v1.500M12 19.500V21M3 12h1.500M19.5 12H21M5.6 5.600l1.1 1.100M17.3 17.300l1.1 1.100M18.4 5.600l-1.1 1.100M6.7 17.300l-1.1 1.1",
  moon: "M19.5 14.500A8 8 0 0 1 9.5 4.500a8 8 0 1 0 10 10Z",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  warning: "M12 4 21 19.500H3zM12 10v4M12 17h.01",
  info: "M12 20.500a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM12 11v5M12 8h.01",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  sync: "M19.5 11A7.5 7.5 0 0 0 6 7L4 9M4.5 13A7.5 7.5 0 0 0 18 17l2-2M4 4.500V9h4.500M20 19.500V15h-4.5",
  trash: "M4.5 7h15M10 7V4.500h4V7M6.5 7l1 13h9l1-13M10 11v5.500M14 11v5.5",
  edit: "M4.5 19.500l.8-3.800L16 5l3 3L8.3 18.700zM14 7l3 3",
  send: "M5 12h13M12.5 6l6 6-6 6",
  out: "M14 4.500h5.500V19.500H14M4.5 12h10M11 8l4 4-4 4",
  user: "M12 11.500a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM5 20c.5-3.6 3.3-5.5 7-5.500s6.5 1.9 7 5.5",
  pool: "M12 4v5M12 9 6 15M12 9l6 6M12 9v6M4.5 15h3v4h-3zM10.5 15h3v4h-3zM16.5 15h3v4h-3z",
  filter: "M4 6h16l-6.5 7.500V19l-3-1.500v-4z",
  up: "M6 15l6-6 6 6",
  responses: "M4 5h16v11h-8l-4.5 3.500V16H4zM8 9h8M8 12h5",
  batches: "M4 7.500 12 4l8 3.500-8 3.500zM4 12l8 3.500 8-3.500M4 16.500 12 20l8-3.500",
  files: "M6 3.500h8l4 4V20.500H6zM14 3.500v4h4M9 12h6M9 15.500h6",
  upload: "M12 15V4.500M7.5 9 12 4.500 16.5 9M4.5 15v4.500h15V15",
  download: "M12 4.500V15M7.5 10.500 12 15l4.500-4.500M4.5 15v4.500h15V15",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, className }: { name: IconName; className?: string }) {
  return (
    <svg
      viewBox="0 0 24 24"
      aria-hidden="true"
      className={cx("size-[1.15rem] shrink-0", className)}
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 2.6 : 1.7}
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The product's mark. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" className={cx("size-7 shrink-0", className)}>
      <rect width="32" height="32" rx="8" className="fill-solid" />
      <path d="M8 10.500h10.500a3.5 3.5 0 0 1 0 7H8" fill="none" stroke="#fff" strokeWidth="3" strokeLinecap="round" />
      <path d="M8 21.500h16" fill="none" stroke="#fff" strokeOpacity="0.6" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}
