// One benchmark: what was run, what happened, and what nodes told of their work meanwhile.

import { useMemo } from "preact/hooks";

import { list, query, type Benchmark, type BenchmarkEvent, type Log } from "../api";
import { Choice, NodeChoice, Toolbar, useMembers, type Option } from "../components/controls";
import { JsonView } from "../components/json";
import { Facts, Panel } from "../components/panel";
import { ProfileView } from "../components/profile-view";
import { Data, Empty } from "../components/states";
import type { Aggregate } from "../feed";
import { dateTime, NONE, number, parseTime } from "../format";
import { useFirstPaint, useResource, useTitle } from "../hooks";
import { Profile } from "../profile";
import { usePlace } from "../router";
import { runName, span } from "./benchmarks";
import { AGGREGATES, INTERVALS } from "./profiling";

const MOST_MESSAGES = 20_000;

/** Without an end of its own, a run lasts until its last event, or still goes on: then its end is empty. */
function times(run: Benchmark, events: BenchmarkEvent[]): { start: string; end: string } {
  const all = events.map(({ created_at }) => created_at);
  return { start: run.ts_start ?? all[0] ?? run.created_at, end: run.ts_end ?? all.at(-1) ?? "" };
}

function Telemetry({ run, events }: { run: Benchmark; events: BenchmarkEvent[] }) {
  const { members } = useMembers();
  const { query: place } = usePlace();
  const [peer, target, kind] = [place.get("peer") ?? "", place.get("target") ?? "", place.get("kind") ?? "mean"];
  const interval = Number(place.get("interval") ?? 10);
  const { start, end } = times(run, events);
  const targetsPath = `/benchmarks/${run.id}/targets`;
  const targets = useResource(targetsPath, (signal) => list<{ target: string }>(targetsPath, signal));
  const path = peer && query("/nodes/logs", { peer_id: peer, msg: "tracing.profiling", target, start_time: start, end_time: end, limit: 10_000 });
  const messages = useResource(path || null, async (signal) => {
    const profile = new Profile();
    const rows = await list<Log>(path, signal, MOST_MESSAGES);
    for (const { logs, created_at } of rows.reverse()) profile.addMessage(logs, created_at);
    return { profile, isPart: rows.length >= MOST_MESSAGES };
  });
  const shown = useMemo(
    () => (kind === "raw" ? messages.data?.profile : messages.data?.profile.aggregated(kind as Aggregate, interval)),
    [messages.data, kind, interval],
  );
  return (
    <section aria-label="Telemetry">
      <Toolbar>
        <NodeChoice members={members} />
        <Choice label="Target" parameter="target" options={[["", "All targets"], ...(targets.data ?? []).map(({ target }): Option => [target, target])]} />
        <Choice label="Show" parameter="kind" options={AGGREGATES} />
        {kind !== "raw" && <Choice label="Of each" parameter="interval" options={INTERVALS} />}
      </Toolbar>
      {path ? (
        <Data resource={messages}>
          {({ isPart }) => (
            <>
              {shown && <ProfileView key={path} profile={shown} isRaw={kind === "raw"} empty="This node sent no tracing.profiling in the time of this benchmark. Choose another node." />}
              {isPart && <p class="hint">Shown are the newest {number(MOST_MESSAGES)} messages of that time. Choose a target to see more of it.</p>}
            </>
          )}
        </Data>
      ) : (
        <Empty>No node is known yet.</Empty>
      )}
    </section>
  );
}

function Events({ events }: { events: BenchmarkEvent[] }) {
  if (!events.length) return <Empty>None. POST /benchmarks/events adds one.</Empty>;
  return (
    <ul class="connections" tabIndex={0}>
      {events.map(({ id, name, phase, created_at }) => (
        <li key={id}>
          <time>{dateTime(parseTime(created_at))}</time> {name} <span class="mark">{phase}</span>
        </li>
      ))}
    </ul>
  );
}

export function BenchmarkPage({ id }: { id: string }) {
  const runs = useResource("/benchmarks", (signal) => list<Benchmark>("/benchmarks", signal));
  const eventsPath = `/benchmarks/${encodeURIComponent(id)}/events`;
  const run = runs.data?.find((run) => String(run.id) === id);
  const events = useResource(run ? eventsPath : null, (signal) => list<BenchmarkEvent>(eventsPath, signal), 15_000);
  useTitle(run ? runName(run) : "Benchmark");
  useFirstPaint(runs.data !== undefined);
  return (
    <div class="page">
      <p class="filter">
        <a href="/dashboard/benchmarks">All benchmarks</a>
      </p>
      <h1>{run ? runName(run) : `Benchmark ${id}`}</h1>
      <Data resource={runs}>
        {() =>
          run ? (
            <>
              <Facts
                class="totals"
                facts={[
                  { label: "Number", value: number(run.id) },
                  { label: "Time (UTC)", value: span(run) },
                  { label: "Host system", value: run.host_system_id === null ? NONE : `No. ${run.host_system_id}` },
                  { label: "Added", value: dateTime(parseTime(run.created_at)) },
                ]}
              />
              <Data resource={events}>{(events) => <Telemetry run={run} events={events} />}</Data>
              <div class="halves">
                <Panel title="Events">
                  <Data resource={events}>{(events) => <Events events={events} />}</Data>
                </Panel>
                <Panel title="Specification">
                  <JsonView value={run.setup ?? { benchmark: run.benchmark_spec, chain: run.chain_spec }} />
                </Panel>
              </div>
            </>
          ) : (
            <Empty>There is no benchmark of this number.</Empty>
          )
        }
      </Data>
    </div>
  );
}
