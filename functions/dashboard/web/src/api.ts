// The JSON endpoints: what they answer, and what it means when they do not.

export interface Node {
  id: number;
  ip_addr: string;
  peer_id: string;
  created_at: string;
  audit: boolean;
  name: string | null;
  chain: string | null;
  version: string | null;
  authority: boolean | null;
  startup_time: number | string | null;
  implementation: string | null;
  last_seen: string;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface Log {
  ip_addr: string;
  peer_id: string;
  msg: string | null;
  created_at: string;
  logs: JsonObject;
}

export interface Count {
  qty: number;
  log_type: string | null;
}

export interface Reports {
  reporting_peer: string;
  remote_peer: string[];
  reputation: number[];
  connected: boolean[];
  ts: string;
}

export interface Relation {
  relation: string;
  size: string;
  bytes: number;
  kind: "table" | "index";
  rows: number | null;
}

export interface HostSystem {
  id: number;
  description: string;
  os: string;
  cpu_qty: number;
  cpu_clock: number;
  ram_mb: number;
  disk_info: string;
}

export interface Benchmark {
  id: number;
  setup: Json;
  benchmark_spec: Json;
  chain_spec: Json;
  description: string | null;
  host_system_id: number | null;
  ts_start: string | null;
  ts_end: string | null;
  created_at: string;
}

export interface BenchmarkEvent {
  id: number;
  benchmark_id: number;
  name: string;
  phase: string;
  created_at: string;
}

/** Why there is no answer, in words that say what to do. */
export class Failure extends Error {
  constructor(
    /** The HTTP status; 0 where nothing answered. */
    readonly status: number,
    message: string,
    /** The parameter or member that is wrong. */
    readonly parameter = "",
  ) {
    super(message);
  }

  /** Whether it may pass by itself. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

// --- The token, kept for as long as the tab is open ---

const TOKEN = "token";
const waiting = new Set<() => void>();

export function token(): string {
  return sessionStorage.getItem(TOKEN) ?? "";
}

export function setToken(value: string): void {
  sessionStorage.setItem(TOKEN, value);
  for (const listener of [...waiting]) listener();
}

/** Calls `listener` whenever another token was given. */
export function onToken(listener: () => void): () => void {
  waiting.add(listener);
  return () => waiting.delete(listener);
}

// --- Requests ---

let ahead = 0;

/** The server's time: clocks of browsers differ, and whether a node is silent must not depend on them. */
export function now(): number {
  return Date.now() + ahead;
}

function learnTime(response: Response): void {
  const date = Date.parse(response.headers.get("date") ?? "");
  const difference = date - Date.now();
  // A header tells whole seconds, and was some time on the way.
  if (Math.abs(difference) > 2000) ahead = difference;
  else if (!Number.isNaN(difference)) ahead = 0;
}

async function failure(response: Response, path: string): Promise<Failure> {
  const problem: { detail?: string; parameter?: string } = await response.json().catch(() => ({}));
  const route = path.split("?")[0];
  const unanswered = problem.detail === "No function answers this path.";
  const detail = unanswered ? `No function answers ${route} here: it may not be deployed.` : problem.detail;
  const words = detail ?? (response.status >= 502 ? `What answers ${route} is away.` : `${route} answered ${response.status}.`);
  return new Failure(response.status, words, problem.parameter);
}

async function ask(path: string, options: RequestInit): Promise<Response> {
  const headers = new Headers(options.headers);
  headers.set("accept", "application/json");
  if (token()) headers.set("authorization", `Bearer ${token()}`);
  let response: Response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Failure(0, "The server cannot be reached.");
  }
  learnTime(response);
  if (!response.ok) throw await failure(response, path);
  return response;
}

/** One document. */
export async function get<T>(path: string, signal: AbortSignal): Promise<T> {
  return (await ask(path, { signal })).json();
}

export interface Page<T> {
  rows: T[];
  /** Where it goes on, if it does. */
  next: string | null;
}

/** One page of a list. */
export async function page<T>(path: string, signal: AbortSignal): Promise<Page<T>> {
  const response = await ask(path, { signal });
  const next = /<([^>]*)>; *rel="next"/.exec(response.headers.get("link") ?? "")?.[1] ?? null;
  return { rows: await response.json(), next };
}

/** A list, page by page, until `most` rows are there. */
export async function list<T>(path: string, signal: AbortSignal, most = Infinity): Promise<T[]> {
  const rows: T[] = [];
  let next: string | null = path;
  while (next && rows.length < most) {
    const part: Page<T> = await page(next, signal);
    rows.push(...part.rows);
    next = part.next;
  }
  return rows;
}

export async function post<T>(path: string, body: Json): Promise<T> {
  const headers = { "content-type": "application/json" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** A path with parameters; those that are empty are left out. */
export function query(path: string, parameters: Record<string, string | number>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== "");
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
