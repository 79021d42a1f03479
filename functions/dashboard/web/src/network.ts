// All nodes as they are known: who they are from /nodes, what they do from the feed.

import { list, now, type Node } from "./api";
import { subscribe, type Entry } from "./feed";
import { asTime, parseTime, toNumber } from "./format";

/** A node that nothing was heard of for so long is stale. */
export const STALE_MS = 120_000;
const LOOK_BACK_MS = 60_000;
/** Blocks that a node's block time is the mean of. */
const BLOCKS = 12;
const MOST_EVENTS = 80;

export interface Member extends Node {
  /** Milliseconds since 1970, by the server's clock. */
  seen: number;
  peers: number | null;
  height: number | null;
  finalized: number | null;
  transactions: number | null;
  /** Mean milliseconds between its last blocks. */
  blockTime: number | null;
  /** When it told its height, and what is finalized: subscriptions do not wait for each other. */
  toldAt: { height: number; finalized: number };
  /** Heights and times of its last blocks. */
  blocks: [height: number, time: number][];
}

export interface Block {
  kind: "block";
  key: string;
  chain: string;
  height: number;
  first: string;
  at: number;
  last: number;
  importers: Set<string>;
  finalizers: Set<string>;
}

export interface Arrival {
  kind: "arrival";
  key: string;
  peer: string;
  name: string;
  version: string;
  at: number;
}

export type Event = Block | Arrival;

class Network {
  readonly members = new Map<string, Member>();
  /** The newest first. */
  events: Event[] = [];
  private readonly blocks = new Map<string, Block>();
  private readonly watchers = new Set<() => void>();

  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  private changed(): void {
    for (const watcher of [...this.watchers]) watcher();
  }

  /** Asks who is there. */
  async load(signal: AbortSignal): Promise<number> {
    for (const node of await list<Node>("/nodes?limit=1000", signal)) this.learn(node);
    this.changed();
    return this.members.size;
  }

  private learn(node: Node): void {
    const known = this.members.get(node.peer_id);
    const seen = parseTime(node.last_seen);
    if (known) {
      Object.assign(known, node, { seen: Math.max(known.seen, seen) });
    } else {
      const nothing = { peers: null, height: null, finalized: null, transactions: null, blockTime: null, blocks: [] };
      const toldAt = { height: 0, finalized: 0 };
      this.members.set(node.peer_id, { ...node, ...nothing, toldAt, seen });
    }
  }

  /** A node has sent something; its clock may be ahead. */
  heard(peer: string, at: number): void {
    const member = this.members.get(peer);
    if (member) member.seen = Math.max(member.seen, Math.min(at, now()));
  }

  /** Follows what all nodes do, until the function that it returns is called. */
  readonly follow = (): (() => void) => {
    const start_time = asTime(now() - LOOK_BACK_MS);
    const ends = (
      [
        ["system.interval", (member, entry) => this.interval(member, entry)],
        ["block.import", (member, entry) => this.imported(member, entry)],
        ["notify.finalized", (member, entry) => this.finalized(member, entry)],
        ["system.connected", (member, entry, isPast) => this.connected(member, entry, isPast)],
      ] as [string, (member: Member | undefined, entry: Entry, isPast: boolean) => void][]
    ).map(([msg, take]) =>
      subscribe({ peer_id: "*", msg, start_time }, (entries, isPast) => {
        for (const entry of entries) {
          const member = this.members.get(entry.peer_id);
          // What comes live was sent just now, whatever its clock says.
          this.heard(entry.peer_id, isPast ? parseTime(entry.created_at) : now());
          take(member, entry, isPast);
        }
        if (entries.length) this.changed();
      }),
    );
    return () => ends.forEach((end) => end());
  };

  /** Two shapes share the name: one tells of the chain, one of the network. */
  private interval(member: Member | undefined, { logs, created_at }: Entry): void {
    if (!member) return;
    const at = parseTime(created_at);
    member.peers = toNumber(logs.peers) ?? member.peers;
    this.tell(member, "height", toNumber(logs.height), at);
    this.tell(member, "finalized", toNumber(logs.finalized_height), at);
    member.transactions = toNumber(logs.txcount) ?? member.transactions;
  }

  private tell(member: Member, what: "height" | "finalized", value: number | null, at: number): void {
    const [before, known] = [member.toldAt[what], member[what] ?? 0];
    if (value === null || at < before || (at === before && value < known)) return;
    member.toldAt[what] = at;
    member[what] = value;
  }

  private imported(member: Member | undefined, { logs, created_at }: Entry): void {
    const height = toNumber(logs.height);
    if (!member || height === null) return;
    const at = parseTime(created_at);
    this.tell(member, "height", height, at);
    this.measure(member, height, at);
    const block = this.block(member, height, at);
    if (!block) return;
    block.importers.add(member.peer_id);
    block.last = Math.max(block.last, at);
  }

  private measure(member: Member, height: number, at: number): void {
    const last = member.blocks.at(-1);
    // Known already: the feed tells again of the last minute whenever it is followed.
    if (last && at <= last[1]) return;
    if (last && height <= last[0]) member.blocks = [];
    member.blocks = [...member.blocks, [height, at] as [number, number]].slice(-BLOCKS);
    const [first] = member.blocks;
    if (first && height > first[0]) member.blockTime = (at - first[1]) / (height - first[0]);
  }

  private finalized(member: Member | undefined, { logs, created_at }: Entry): void {
    const height = toNumber(logs.height);
    if (!member || height === null) return;
    const at = parseTime(created_at);
    this.tell(member, "finalized", height, at);
    const block = this.block(member, height, at, false);
    block?.finalizers.add(member.peer_id);
  }

  private block(member: Member, height: number, at: number, isNew = true): Block | undefined {
    const chain = member.chain ?? "";
    const key = `${height} ${chain}`;
    const known = this.blocks.get(key);
    if (known || !isNew) return known;
    const nobody = { importers: new Set<string>(), finalizers: new Set<string>() };
    const block: Block = { kind: "block", key, chain, height, first: member.peer_id, at, last: at, ...nobody };
    this.blocks.set(key, block);
    this.add(block);
    return block;
  }

  private connected(member: Member | undefined, { peer_id, logs, created_at }: Entry, isPast: boolean): void {
    const text = (name: string): string | null => (typeof logs[name] === "string" ? logs[name] : null);
    if (!member) {
      // Who is new is listed at once; /nodes tells the rest later.
      const authority = logs.authority === true;
      const identity = { name: text("name"), chain: text("chain"), version: text("version"), authority };
      const rest = { id: 0, ip_addr: "", audit: false, startup_time: text("startup_time"), implementation: text("implementation") };
      this.learn({ ...identity, ...rest, peer_id, created_at, last_seen: isPast ? created_at : asTime(now()) });
    }
    const at = parseTime(created_at);
    this.add({ kind: "arrival", key: `${peer_id} ${at}`, peer: peer_id, name: text("name") ?? "", version: text("version") ?? "", at });
  }

  private add(event: Event): void {
    if (this.events.some(({ key }) => key === event.key)) return;
    const place = this.events.findIndex((other) => other.at <= event.at);
    this.events.splice(place < 0 ? this.events.length : place, 0, event);
    for (const gone of this.events.splice(MOST_EVENTS)) if (gone.kind === "block") this.blocks.delete(gone.key);
  }
}

export const network = new Network();

export function isStale(member: Member, time: number): boolean {
  return time - member.seen > STALE_MS;
}

/** What a node is called. */
export function nameOf(peer: string): string {
  return network.members.get(peer)?.name ?? "";
}
