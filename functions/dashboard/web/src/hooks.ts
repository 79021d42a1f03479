// What pages share: data that are asked for, time that passes, the theme.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Failure, now, onToken } from "./api";
import { feedState, watchFeed } from "./feed";

const RETRY_MS = 5000;

export interface Resource<T> {
  data: T | undefined;
  failure: Failure | undefined;
  isLoading: boolean;
  reload: () => void;
}

/**
 * What `load` gives, anew whenever `key` changes, and every so many milliseconds; null asks for nothing.
 * A failure that may pass is tried again, and leaves what was there before.
 */
export function useResource<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, every = 0): Resource<T> {
  const [held, setHeld] = useState<{ key: string | null; data?: T; failure?: Failure }>({ key: null });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => onToken(() => setTurn((before) => before + 1)), []);
  useEffect(() => {
    if (key === null) return;
    const controller = new AbortController();
    let timer = 0;
    const attempt = async (): Promise<void> => {
      let pause = every;
      try {
        const data = await latest.current(controller.signal);
        if (controller.signal.aborted) return;
        setHeld({ key, data });
      } catch (error) {
        if (controller.signal.aborted) return;
        const failure = error instanceof Failure ? error : new Failure(0, String(error));
        setHeld((before) => (before.key === key && before.data !== undefined ? { key, data: before.data, failure } : { key, failure }));
        pause = failure.passes ? RETRY_MS : 0;
      }
      if (pause) timer = window.setTimeout(attempt, pause);
    };
    void attempt();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [key, turn, every]);

  const current = held.key === key ? held : undefined;
  return {
    data: current?.data,
    failure: current?.failure,
    isLoading: key !== null && !current,
    reload: () => setTurn((before) => before + 1),
  };
}

/** The server's time, anew every so many milliseconds. */
export function useNow(every = 1000): number {
  const [time, setTime] = useState(now);
  useEffect(() => {
    const timer = setInterval(() => setTime(now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return time;
}

/** Renders again whenever `watch` tells of a change, but not more often than every so many milliseconds. */
export function useChanges(watch: (changed: () => void) => () => void, every = 250): void {
  const [, setTurn] = useState(0);
  useEffect(() => {
    let timer = 0;
    const end = watch(() => {
      if (timer) return;
      timer = window.setTimeout(() => {
        timer = 0;
        setTurn((before) => before + 1);
      }, every);
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, [watch, every]);
}

export function useFeedState(): ReturnType<typeof feedState> {
  useChanges(watchFeed, 100);
  return feedState();
}

const title = "Tetcore Analytics";

export function useTitle(page: string): void {
  useLayoutEffect(() => {
    document.title = page ? `${page} · ${title}` : title;
  }, [page]);
}

let isMarked = false;

/** Notes when the reader first saw something of use. */
export function useFirstPaint(isThere: boolean): void {
  useEffect(() => {
    if (!isThere || isMarked) return;
    isMarked = true;
    requestAnimationFrame(() => setTimeout(() => performance.mark("first-useful-paint")));
  }, [isThere]);
}

// --- Theme ---

export type Theme = "system" | "light" | "dark";
const THEME_CHANGED = "theme-changed";
const system = matchMedia("(prefers-color-scheme: dark)");

function chosenTheme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function setTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Then it holds for this page only.
  }
  dispatchEvent(new Event(THEME_CHANGED));
}

/** What was chosen, and what is in force. */
export function useTheme(): { chosen: Theme; inForce: "light" | "dark" } {
  const [, setTurn] = useState(0);
  useEffect(() => {
    const changed = (): void => setTurn((before) => before + 1);
    addEventListener(THEME_CHANGED, changed);
    system.addEventListener("change", changed);
    return () => {
      removeEventListener(THEME_CHANGED, changed);
      system.removeEventListener("change", changed);
    };
  }, []);
  const chosen = chosenTheme();
  return { chosen, inForce: chosen === "system" ? (system.matches ? "dark" : "light") : chosen };
}
