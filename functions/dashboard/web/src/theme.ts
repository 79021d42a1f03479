// Runs before anything is painted, so that a chosen theme does not flash up late.

let chosen: string | null = null;
try {
  chosen = localStorage.getItem("theme");
} catch {
  // Storage may be forbidden; then the system's theme it is.
}
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
