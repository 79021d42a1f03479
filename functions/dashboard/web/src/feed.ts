// The live feed: one WebSocket for all subscriptions of these pages. After a break they go on where they ended.

import { onToken, token, type JsonObject } from "./api";

export type Aggregate = "min" | "max" | "mean" | "median" | "percentile90";

export interface Subscription {
  peer_id: string;
  msg: string;
  start_time?: string;
  aggregate_type?: Aggregate;
  aggregate_interval?: number;
}

/** A message as the feed tells it. */
export interface Entry {
  peer_id: string;
  msg: string | null;
  created_at: string;
  logs: JsonObject;
}

/** What became of the `time` of all messages of an interval. */
export interface Summary {
  peer_id: string;
  target: string;
  name: string;
  created_at: string;
  time: number;
  qty: number;
}

interface Frame<T> {
  peer_message: Subscription;
  data: T[];
  since: string;
}

interface Subscribed {
  subscription: Subscription;
  listener: (data: unknown[], isPast: boolean) => void;
  since: string;
}

export type State = "idle" | "connecting" | "live" | "away";

const PROTOCOL = "tetcore.feed";
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

const subscribed = new Map<string, Subscribed>();
const watchers = new Set<() => void>();
let socket: WebSocket | null = null;
let retry = 0;
let pause = FIRST_PAUSE_MS;
let state: State = "idle";
let complaint = "";

function keyOf({ peer_id, msg, aggregate_type, aggregate_interval }: Subscription): string {
  return JSON.stringify([peer_id, msg, aggregate_type ?? "", aggregate_interval ?? ""]);
}

function become(next: State): void {
  state = next;
  for (const watcher of [...watchers]) watcher();
}

export function feedState(): { state: State; complaint: string } {
  return { state, complaint };
}

export function watchFeed(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function send(message: object): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function ask({ subscription, since }: Subscribed): void {
  const { start_time, ...rest } = subscription;
  const from = since ? { since } : start_time ? { start_time } : {};
  send({ ...rest, ...from, interest: "subscribe" });
}

function receive(text: string): void {
  const frame: Partial<Frame<unknown>> & { error?: string } = JSON.parse(text);
  pause = FIRST_PAUSE_MS;
  if (frame.error !== undefined) {
    complaint = frame.error;
    become(state);
    return;
  }
  const known = frame.peer_message && subscribed.get(keyOf(frame.peer_message));
  if (!known || !frame.data) return;
  const isPast = known.since === "";
  known.since = frame.since ?? known.since;
  known.listener(frame.data, isPast);
}

function connect(): void {
  clearTimeout(retry);
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/feed`;
  const own = new WebSocket(url, token() ? [PROTOCOL, `bearer.${token()}`] : []);
  socket = own;
  become("connecting");
  own.onopen = () => {
    complaint = "";
    become("live");
    for (const one of subscribed.values()) ask(one);
  };
  own.onmessage = (event) => receive(event.data);
  own.onclose = () => {
    if (socket !== own) return;
    socket = null;
    become(subscribed.size ? "away" : "idle");
    if (!subscribed.size) return;
    // Many pages must not all come back at the same moment.
    retry = window.setTimeout(connect, pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  };
}

/** Calls `listener` with what comes; `isPast` for what was there before. Ends when the function that it returns is called. */
export function subscribe<T = Entry>(subscription: Subscription, listener: (data: T[], isPast: boolean) => void): () => void {
  const key = keyOf(subscription);
  const own: Subscribed = { subscription, listener: (data, isPast) => listener(data as T[], isPast), since: "" };
  subscribed.set(key, own);
  if (!socket) connect();
  else ask(own);
  return () => {
    if (subscribed.get(key) !== own) return;
    subscribed.delete(key);
    const { start_time: _, ...rest } = subscription;
    send({ ...rest, interest: "unsubscribe" });
  };
}

onToken(() => {
  if (!subscribed.size) return;
  const old = socket;
  socket = null;
  old?.close();
  pause = FIRST_PAUSE_MS;
  connect();
});
