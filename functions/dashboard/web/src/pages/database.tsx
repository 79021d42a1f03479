// How large tables and indexes are, and how they grow.

import { useRef } from "preact/hooks";

import { get, now, type Relation } from "../api";
import { Facts, Panel } from "../components/panel";
import { Data, Empty } from "../components/states";
import { Tabs, type Option } from "../components/controls";
import { Table, type Column } from "../components/table";
import { bytes, clock, NONE, number } from "../format";
import { useFirstPaint, useResource, useTitle } from "../hooks";
import { usePlace } from "../router";

const KINDS: Option[] = [
  ["", "All"],
  ["table", "Tables"],
  ["index", "Indexes"],
];

interface Sized extends Relation {
  /** Of the largest one. */
  share: number;
  /** Bytes since this page was opened; null where it was not there then. */
  growth: number | null;
}

interface Sample {
  at: number;
  bytes: Map<string, number>;
}

function sum(relations: Relation[], kind: string): number {
  return relations.filter((relation) => relation.kind === kind).reduce((all, relation) => all + relation.bytes, 0);
}

function signed(value: number | null): string {
  return value === null ? NONE : value === 0 ? "0" : value > 0 ? `+${bytes(value)}` : `−${bytes(-value)}`;
}

const COLUMNS: Column<Sized>[] = [
  { key: "relation", label: "Name", width: "32%", value: ({ relation }) => relation, cell: ({ relation }) => <span title={relation}>{relation}</span> },
  { key: "kind", label: "Kind", width: "9%", isExtra: true, value: ({ kind }) => kind, cell: ({ kind }) => (kind === "table" ? "Table" : "Index") },
  { key: "bytes", label: "Size", isNumber: true, value: (row) => row.bytes, cell: (row) => <span title={`${number(row.bytes)} bytes`}>{bytes(row.bytes)}</span> },
  { key: "share", label: "", isExtra: true, width: "18%", cell: ({ share }) => <span class="share" aria-hidden="true"><i style={{ width: `${100 * share}%` }} /></span> },
  { key: "rows", label: "Rows", isNumber: true, value: ({ rows }) => rows, cell: ({ rows }) => number(rows) },
  { key: "growth", label: "Growth", isNumber: true, value: ({ growth }) => growth, cell: ({ growth }) => signed(growth) },
];

export function DatabasePage() {
  useTitle("Database");
  const opened = useRef<Sample | null>(null);
  const kind = usePlace().query.get("kind") ?? "";
  const relations = useResource("/stats/db", (signal) => get<Relation[]>("/stats/db", signal), 10_000);
  const version = useResource("/stats/version", (signal) => get<{ name: string; version: string }>("/stats/version", signal));
  useFirstPaint(relations.data !== undefined);
  if (relations.data) opened.current ??= { at: now(), bytes: new Map(relations.data.map(({ relation, bytes }) => [relation, bytes])) };
  const before = opened.current;

  return (
    <div class="page fill">
      <header class="page-head">
        <h1>Database</h1>
        <Tabs label="Kind" parameter="kind" options={KINDS} />
      </header>
      <Data resource={relations}>
        {(relations) => {
          const largest = Math.max(1, ...relations.map((relation) => relation.bytes));
          const grown = (relation: Relation): number | null => {
            const then = before?.bytes.get(relation.relation);
            return then === undefined ? null : relation.bytes - then;
          };
          const sized = relations.map((relation): Sized => ({ ...relation, share: relation.bytes / largest, growth: grown(relation) }));
          const all = sum(relations, "table") + sum(relations, "index");
          const was = [...(before?.bytes.values() ?? [])].reduce((sum, bytes) => sum + bytes, 0);
          const messages = relations.find(({ relation }) => relation === "tetcore_logs")?.rows;
          return (
            <>
              <Facts
                class="totals"
                facts={[
                  { label: "In all", value: bytes(all) },
                  { label: "Tables", value: bytes(sum(relations, "table")) },
                  { label: "Indexes", value: bytes(sum(relations, "index")) },
                  { label: "Messages, about", value: number(messages), title: "As last counted by PostgreSQL" },
                  { label: `Growth since ${before ? clock(before.at) : ""}`, value: signed(all - was) },
                  { label: "Version", value: version.data?.version ?? NONE },
                ]}
              />
              <Panel title="Tables and indexes" class="grow">
                <Table
                  label="Tables and indexes"
                  rows={sized.filter((relation) => !kind || relation.kind === kind)}
                  columns={COLUMNS}
                  rowKey={({ relation }) => relation}
                  sort="-bytes"
                  isTall
                  empty={<Empty>There is no table: run <code>migrate</code> first.</Empty>}
                />
              </Panel>
              <p class="hint">Partitions count with their table. Sizes are read every 10 s; rows are estimates.</p>
            </>
          );
        }}
      </Data>
    </div>
  );
}
