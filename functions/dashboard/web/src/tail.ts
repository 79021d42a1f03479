// The newest messages of one node: what was stored before, and what the feed adds, each once.

import { now, page, query, type JsonObject, type Log } from "./api";
import { subscribe, type Entry } from "./feed";
import { asTime, parseTime } from "./format";

const PAGE = 100;
const MOST = 1000;
/** What was sent so long ago has been stored by now. */
const STORED_MS = 60_000;

export interface Line {
  key: number;
  at: number;
  msg: string;
  target: string;
  logs: JsonObject;
}

/** What an endpoint and the feed tell alike. */
export type Told = Pick<Entry | Log, "msg" | "created_at" | "logs">;

export interface Filter {
  msg: string;
  target: string;
}

const inOrder = (_: string, value: unknown): unknown =>
  value !== null && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** The same for the same message, in whatever order its members come. */
function identity({ created_at, logs }: { created_at: string; logs: JsonObject }): string {
  return `${parseTime(created_at)} ${JSON.stringify(logs, inOrder)}`;
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

  private line({ msg, created_at, logs }: Told): Line {
    this.key += 1;
    const target = typeof logs.target === "string" ? logs.target : "";
    return { key: this.key, at: parseTime(created_at), msg: msg ?? "", target, logs };
  }

  private fits(line: Line): boolean {
    return (!this.filter.msg || line.msg === this.filter.msg) && (!this.filter.target || line.target === this.filter.target);
  }

  /** What was stored before; then follows the feed, and calls `added` for whatever it tells, until the signal. */
  async open(signal: AbortSignal, added: (entries: Told[]) => void): Promise<void> {
    const path = query("/nodes/logs", { peer_id: this.peer, ...this.filter, limit: PAGE });
    const { rows, next } = await page<Log>(path, signal);
    this.lines = rows.map((row) => this.line(row));
    this.next = next;
    const known = new Set(rows.map(identity));
    const [newest] = rows;
    // Some of what is known comes again, so that nothing of the time between is missed.
    const start_time = asTime(Math.max(newest ? parseTime(newest.created_at) : 0, now() - STORED_MS));
    added(rows);
    const end = subscribe({ peer_id: this.peer, msg: "*", start_time }, (entries, isPast) => {
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
    this.held = [...lines.reverse().sort((a, b) => b.at - a.at), ...this.held].slice(0, MOST);
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
