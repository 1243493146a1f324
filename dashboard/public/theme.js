// Before the first paint, so that a dark page never flashes white. The choice is kept by src/shell/theme.ts.
{
  const chosen = localStorage.getItem("dwctl.theme");
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
