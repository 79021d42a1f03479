// Benchmark runs, and the machines that they run on.

import { useState } from "preact/hooks";

import { list, type Benchmark, type HostSystem, type Json } from "../api";
import { Form, type Field } from "../components/form";
import { Panel } from "../components/panel";
import { Data, Empty } from "../components/states";
import { Table, type Column } from "../components/table";
import { dateTime, NONE, number, parseTime } from "../format";
import { useFirstPaint, useResource, useTitle } from "../hooks";
import { link } from "../router";

const EVERY_MS = 30_000;

const SYSTEM_FIELDS: Field[] = [
  { name: "description", label: "Description", kind: "text", hint: "What people call it" },
  { name: "os", label: "Operating system", kind: "text" },
  { name: "cpu_qty", label: "Processors", kind: "number" },
  { name: "cpu_clock", label: "Clock rate in MHz", kind: "number" },
  { name: "ram_mb", label: "Memory in MB", kind: "number" },
  { name: "disk_info", label: "Storage", kind: "text", hint: "Such as NVMe SSD" },
];

function runFields(systems: HostSystem[]): Field[] {
  return [
    { name: "description", label: "Description", kind: "text" },
    { name: "host_system_id", label: "Host system", kind: "choice", options: systems.map(({ id, description }) => [String(id), `${id}: ${description}`]) },
    { name: "ts_start", label: "Start (UTC)", kind: "time" },
    { name: "ts_end", label: "End (UTC)", kind: "time", isOptional: true, hint: "Without it, the run lasts until its last event, or still goes on" },
    { name: "benchmark_spec", label: "Benchmark (JSON)", kind: "json", initial: "{}" },
    { name: "chain_spec", label: "Chain (JSON)", kind: "json", initial: "{}" },
  ];
}

/** What a run is called: older ones have a setup only. */
export function runName({ id, description, setup }: Benchmark): string {
  const named = setup !== null && typeof setup === "object" && !Array.isArray(setup) ? setup.name : null;
  return description || (typeof named === "string" && named) || `Benchmark ${id}`;
}

export function span({ ts_start, ts_end }: Benchmark): string {
  if (!ts_start) return NONE;
  return `${dateTime(parseTime(ts_start))} – ${ts_end ? dateTime(parseTime(ts_end)) : "open"}`;
}

function brief(value: Json): string {
  const text = value === null ? NONE : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function runColumns(systems: Map<number, HostSystem>): Column<Benchmark>[] {
  return [
    { key: "id", label: "No.", isNumber: true, width: "64px", value: ({ id }) => id, cell: ({ id }) => number(id) },
    { key: "name", label: "Description", value: runName, cell: (run) => <a class="name" href={link(`/benchmarks/${run.id}`)}>{runName(run)}</a> },
    { key: "start", label: "Time (UTC)", width: "30%", value: ({ ts_start }) => ts_start, cell: span },
    {
      key: "system",
      label: "Host system",
      isExtra: true,
      value: ({ host_system_id }) => host_system_id,
      cell: ({ host_system_id }) => (host_system_id === null ? NONE : (systems.get(host_system_id)?.description ?? `No. ${host_system_id}`)),
    },
    { key: "spec", label: "Set-up", isExtra: true, cell: ({ setup, benchmark_spec }) => <code>{brief(setup ?? benchmark_spec)}</code> },
  ];
}

const SYSTEM_COLUMNS: Column<HostSystem>[] = [
  { key: "id", label: "No.", isNumber: true, width: "64px", value: ({ id }) => id, cell: ({ id }) => number(id) },
  { key: "description", label: "Description", value: ({ description }) => description, cell: ({ description }) => description },
  { key: "os", label: "System", value: ({ os }) => os, cell: ({ os }) => os },
  { key: "cpus", label: "Processors", isNumber: true, value: ({ cpu_qty }) => cpu_qty, cell: ({ cpu_qty, cpu_clock }) => `${number(cpu_qty)} × ${number(cpu_clock)} MHz` },
  { key: "ram", label: "Memory", isNumber: true, isExtra: true, value: ({ ram_mb }) => ram_mb, cell: ({ ram_mb }) => `${number(ram_mb)} MB` },
  { key: "disk", label: "Storage", isExtra: true, value: ({ disk_info }) => disk_info, cell: ({ disk_info }) => disk_info },
];

export function BenchmarksPage() {
  useTitle("Benchmarks");
  const [open, setOpen] = useState<"run" | "system">();
  const runs = useResource("/benchmarks", (signal) => list<Benchmark>("/benchmarks", signal), EVERY_MS);
  const systems = useResource("/host_systems", (signal) => list<HostSystem>("/host_systems", signal), EVERY_MS);
  const byId = new Map(systems.data?.map((system) => [system.id, system]));
  useFirstPaint(runs.data !== undefined);

  const added = (resource: { reload: () => void }) => (): void => {
    setOpen(undefined);
    resource.reload();
  };
  const opener = (what: "run" | "system", text: string) => (
    <button type="button" aria-expanded={open === what} onClick={() => setOpen(open === what ? undefined : what)}>
      {open === what ? "Cancel" : text}
    </button>
  );
  return (
    <div class="page">
      <h1>Benchmarks</h1>
      <Panel title="Runs" aside={opener("run", "New benchmark")}>
        {open === "run" &&
          (systems.data?.length ? (
            <Form path="/benchmarks" fields={runFields(systems.data)} submit="Add this benchmark" done={added(runs)} />
          ) : (
            <Empty>A benchmark runs on a host system: add one below first.</Empty>
          ))}
        <Data resource={runs}>
          {(runs) => (
            <Table
              label="Runs"
              rows={runs}
              columns={runColumns(byId)}
              rowKey={({ id }) => String(id)}
              sort="-id"
              empty={<Empty>No benchmark yet. Add one here, or with POST /benchmarks.</Empty>}
            />
          )}
        </Data>
      </Panel>
      <Panel title="Host systems" aside={opener("system", "New host system")}>
        {open === "system" && <Form path="/host_systems" fields={SYSTEM_FIELDS} submit="Add this host system" done={added(systems)} />}
        <Data resource={systems}>
          {(systems) => (
            <Table
              label="Host systems"
              rows={systems}
              columns={SYSTEM_COLUMNS}
              rowKey={({ id }) => String(id)}
              sort="id"
              parameter="systems"
              empty={<Empty>No host system yet. Add one here, or with POST /host_systems.</Empty>}
            />
          )}
        </Data>
      </Panel>
    </div>
  );
}
