// The newest messages of one node: what was stored before, and what the feed adds, each once.

import { page, query, type JsonObject, type Log } from "./api";
import { subscribe, type Entry } from "./feed";
import { parseTime } from "./format";

const PAGE = 100;
const MOST = 1000;
/** How far back the feed goes. */
const FEED_MS = 3_600_000;

export interface Line {
  key: number;
  at: number;
  msg: string;
  target: string;
  logs: JsonObject;
}

export interface Filter {
  msg: string;
  target: string;
}

/** The same for the same message, in whatever order its members come. */
function identity({ created_at, logs }: { created_at: string; logs: JsonObject }): string {
  return `${parseTime(created_at)} ${JSON.stringify(Object.entries(logs).sort(([a], [b]) => (a < b ? -1 : 1)))}`;
}

export class Tail {
  /** The newest first. */
  lines: Line[] = [];
  private held: Line[] = [];
  private next: string | null = null;
  private key = 0;
  isPaused = false;

  constructor(
    private readonly peer: string,
    private readonly filter: Filter,
  ) {}

  get waiting(): number {
    return this.held.length;
  }

  get goesOn(): boolean {
    return this.next !== null;
  }

  private line({ msg, created_at, logs }: Pick<Entry | Log, "msg" | "created_at" | "logs">): Line {
    this.key += 1;
    const target = typeof logs.target === "string" ? logs.target : "";
    return { key: this.key, at: parseTime(created_at), msg: msg ?? "", target, logs };
  }

  private fits(line: Line): boolean {
    return (!this.filter.msg || line.msg === this.filter.msg) && (!this.filter.target || line.target === this.filter.target);
  }

  /** What was stored before; then follows the feed, and calls `added` for whatever it tells, until the signal. */
  async open(signal: AbortSignal, added: (entries: Entry[]) => void): Promise<void> {
    const path = query("/nodes/logs", { peer_id: this.peer, ...this.filter, limit: PAGE });
    const { rows, next } = await page<Log>(path, signal);
    this.lines = rows.map((row) => this.line(row));
    this.next = next;
    const known = new Set(rows.map(identity));
    const [newest] = rows;
    const isRecent = newest && Date.now() - parseTime(newest.created_at) < FEED_MS;
    // From the newest one on, so that none is missed meanwhile.
    const start = isRecent ? { start_time: newest.created_at } : {};
    const end = subscribe({ peer_id: this.peer, msg: "*", ...start }, (entries, isPast) => {
      const fresh = isPast ? entries.filter((entry) => !known.has(identity(entry))) : entries;
      this.put(fresh);
      if (fresh.length) added(fresh);
    });
    if (signal.aborted) end();
    else signal.addEventListener("abort", end);
  }

  private put(entries: Entry[]): void {
    const lines = entries.map((entry) => this.line(entry)).filter((line) => this.fits(line));
    if (!lines.length) return;
    this.held = [...lines.sort((a, b) => b.at - a.at), ...this.held].slice(0, MOST);
    if (!this.isPaused) this.resume();
  }

  pause(): void {
    this.isPaused = true;
  }

  /** Shows what came meanwhile. */
  resume(): void {
    this.isPaused = false;
    this.lines = [...this.held, ...this.lines].slice(0, MOST);
    this.held = [];
  }

  /** The page before the oldest line. */
  async older(signal: AbortSignal): Promise<void> {
    if (!this.next) return;
    const { rows, next } = await page<Log>(this.next, signal);
    this.lines = [...this.lines, ...rows.map((row) => this.line(row))];
    this.next = next;
  }
}
