// The frame of all pages, and which page is where.

import { render, type ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { Empty } from "./components/states";
import { setTheme, useFeedState, useTheme, useTitle, type Theme } from "./hooks";
import { BenchmarkPage } from "./pages/benchmark";
import { BenchmarksPage } from "./pages/benchmarks";
import { DatabasePage } from "./pages/database";
import { NetworkPage } from "./pages/network";
import { NodePage } from "./pages/node";
import { ProfilingPage } from "./pages/profiling";
import { ReputationPage } from "./pages/reputation";
import { link, start, usePlace } from "./router";

const PAGES = [
  ["/", "Network"],
  ["/profiling", "Profiling"],
  ["/reputation", "Reputation"],
  ["/benchmarks", "Benchmarks"],
  ["/database", "Database"],
] as const;

const FEED = {
  idle: ["Feed idle", "This page needs no live feed."],
  connecting: ["Connecting", "The live feed is being connected."],
  live: ["Live", "The live feed is connected."],
  away: ["Reconnecting", "The live feed is away. It is tried again, and goes on where it ended."],
} as const;

function FeedState() {
  const { state, complaint } = useFeedState();
  const [text, title] = FEED[state];
  return (
    <p class={`feed ${complaint ? "away" : state}`} role="status" title={complaint || title}>
      {complaint ? "Feed refused" : text}
    </p>
  );
}

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

function ThemeToggle() {
  const { chosen } = useTheme();
  return (
    <button type="button" class="theme" title="System, light or dark" onClick={() => setTheme(NEXT[chosen])}>
      Theme: {chosen}
    </button>
  );
}

function Missing() {
  useTitle("Not found");
  return (
    <div class="page">
      <h1>There is no such page</h1>
      <Empty>
        The <a href={link("/")}>network</a> shows all nodes.
      </Empty>
    </div>
  );
}

function pageAt(path: string): ComponentChildren {
  const [, first = "", second = "", ...rest] = path.split("/");
  if (rest.length) return <Missing />;
  if (second) {
    const id = decodeURIComponent(second);
    if (first === "nodes") return <NodePage key={id} peer={id} />;
    if (first === "benchmarks") return <BenchmarkPage key={id} id={id} />;
    return <Missing />;
  }
  switch (path) {
    case "/":
      return <NetworkPage />;
    case "/profiling":
      return <ProfilingPage />;
    case "/reputation":
      return <ReputationPage />;
    case "/benchmarks":
      return <BenchmarksPage />;
    case "/database":
      return <DatabasePage />;
    default:
      return <Missing />;
  }
}

function App() {
  const { path } = usePlace();
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    // Readers with a keyboard or a screen reader go on where the page begins.
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [path]);
  const isCurrent = (page: string): boolean => (page === "/" ? path === "/" || path.startsWith("/nodes/") : path.startsWith(page));
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={link("/")}>
          Tetcore Analytics
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([page, text]) => (
            <a key={page} href={link(page)} aria-current={isCurrent(page) ? "page" : undefined}>
              {text}
            </a>
          ))}
        </nav>
        <FeedState />
        <ThemeToggle />
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {pageAt(path)}
      </main>
    </>
  );
}

start();
render(<App />, document.body);
