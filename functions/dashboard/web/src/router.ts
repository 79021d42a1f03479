// Where the reader is: the path below /dashboard, and the state of the page in the query.

import { useEffect, useState } from "preact/hooks";

const BASE = "/dashboard";

export interface Place {
  /** Below the base, such as `/nodes/12D3…`; `/` for the first page. */
  path: string;
  query: URLSearchParams;
}

const listeners = new Set<() => void>();

function here(): Place {
  const path = location.pathname.slice(BASE.length).replace(/\/+$/, "");
  return { path: path || "/", query: new URLSearchParams(location.search) };
}

function changed(): void {
  for (const listener of [...listeners]) listener();
}

/** The address of a page with these parameters; those that are empty are left out. */
export function link(path: string, query: Record<string, string> = {}): string {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  const text = given.toString();
  return `${BASE}${path === "/" ? "" : path}${text && `?${text}`}`;
}

export function nodeLink(peer: string): string {
  return link(`/nodes/${encodeURIComponent(peer)}`);
}

export function navigate(to: string): void {
  history.pushState(null, "", to);
  changed();
}

/** Sets parameters of this page; an empty one goes. The way back leads to the page before, not to each letter typed. */
export function setQuery(changes: Record<string, string>): void {
  const { path, query } = here();
  history.replaceState(null, "", link(path, { ...Object.fromEntries(query), ...changes }));
  changed();
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const update = (): void => setPlace(here());
    listeners.add(update);
    return () => listeners.delete(update);
  }, []);
  return place;
}

/** Makes links among these pages change the page in place. */
export function start(): void {
  addEventListener("popstate", changed);
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const anchor = event.target instanceof Element ? event.target.closest("a") : null;
    if (!anchor || anchor.target || anchor.origin !== location.origin) return;
    if (anchor.pathname !== BASE && !anchor.pathname.startsWith(`${BASE}/`)) return;
    if (anchor.hash) return;
    event.preventDefault();
    navigate(anchor.pathname + anchor.search);
  });
}
