// One node: who it is, how it does, and what it says.

import { useEffect, useMemo, useReducer } from "preact/hooks";

import { list, now, query, type Count, type Log } from "../api";
import { Chart } from "../components/chart";
import { Tabs, Toolbar, useMembers, type Option } from "../components/controls";
import { LogTail } from "../components/log-tail";
import { Facts, Panel } from "../components/panel";
import { Data, Empty } from "../components/states";
import { ago, asTime, bytes, dateTime, NONE, number, parseTime, shortId, toNumber } from "../format";
import { useFirstPaint, useNow, useResource, useTitle } from "../hooks";
import { Intervals } from "../intervals";
import { isStale, network, type Member } from "../network";
import { link, setQuery, usePlace } from "../router";
import type { Told } from "../tail";

const INTERVAL = "system.interval";
const SPANS: Option[] = [
  ["900", "15 min"],
  ["3600", "1 h"],
  ["21600", "6 h"],
];
const MOST_CONNECTIONS = 50;

function started(member: Member): string {
  const milliseconds = toNumber(member.startup_time);
  return milliseconds === null ? NONE : dateTime(milliseconds);
}

function Identity({ member, time }: { member: Member; time: number }) {
  return (
    <Facts
      class="totals"
      facts={[
        { label: "Chain", value: member.chain ?? NONE },
        { label: "Version", value: member.version ?? NONE, title: member.version ?? "" },
        { label: "Software", value: member.implementation ?? NONE },
        { label: "Role", value: member.authority === null ? NONE : member.authority ? "Authority" : "Full node" },
        { label: "Address", value: member.ip_addr || NONE },
        { label: "Started (UTC)", value: started(member), title: started(member) },
        { label: "Last seen", value: ago(time - member.seen), title: `${dateTime(member.seen)} UTC` },
        { label: "Messages expire", value: member.audit ? "Never (audit)" : "Yes" },
      ]}
    />
  );
}

function Charts({ intervals }: { intervals: Intervals }) {
  if (!intervals.lines(["peers"])[0].length && !intervals.lines(["lag"])[0].length) {
    return <Empty>This node sent no system.interval in this time. Choose a longer one, or see below what it did send.</Empty>;
  }
  return (
    <div class="charts">
      <Panel title="Peers">
        <Chart label="Peers" lines={[{ label: "Peers", colour: 1 }]} data={intervals.lines(["peers"])} format={number} />
      </Panel>
      <Panel title="Transaction pool">
        <Chart label="Transactions in the pool" lines={[{ label: "Transactions", colour: 2 }]} data={intervals.lines(["txcount"])} format={number} />
      </Panel>
      <Panel title="Bandwidth">
        <Chart
          label="Bytes per second"
          lines={[
            { label: "Down/s", colour: 1 },
            { label: "Up/s", colour: 3 },
          ]}
          data={intervals.lines(["bandwidth_download", "bandwidth_upload"])}
          format={bytes}
        />
      </Panel>
      <Panel title="Height ahead of finality">
        <Chart label="Blocks that are not finalized" lines={[{ label: "Blocks", colour: 4 }]} data={intervals.lines(["lag"])} format={number} />
      </Panel>
    </div>
  );
}

function Counts({ counts }: { counts: Count[] }) {
  const chosen = usePlace().query.get("msg") ?? "";
  const most = Math.max(1, ...counts.map(({ qty }) => qty));
  const all = counts.reduce((sum, { qty }) => sum + qty, 0);
  if (!counts.length) return <Empty>None yet.</Empty>;
  return (
    <>
      <ul class="bars" tabIndex={0} aria-label={`${number(all)} messages by type`}>
        {counts.map(({ qty, log_type }) => (
          <li key={log_type}>
            <button type="button" aria-pressed={log_type === chosen} disabled={!log_type} onClick={() => setQuery({ msg: log_type === chosen ? "" : (log_type ?? "") })}>
              <span>{log_type ?? "(no msg)"}</span>
              <b>{number(qty)}</b>
              <i style={{ width: `${(100 * qty) / most}%` }} />
            </button>
          </li>
        ))}
      </ul>
      <p class="hint">{number(all)} in all. Choose a type to see its messages only.</p>
    </>
  );
}

function Connections({ rows }: { rows: Log[] }) {
  if (!rows.length) return <Empty>It has not told who it is (system.connected).</Empty>;
  return (
    <ul class="connections" tabIndex={0}>
      {rows.map(({ created_at, ip_addr, logs }) => (
        <li key={created_at}>
          <time>{dateTime(parseTime(created_at))}</time> {ip_addr}
          <small>{[logs.name, logs.version].filter(Boolean).join(", ")}</small>
        </li>
      ))}
    </ul>
  );
}

export function NodePage({ peer }: { peer: string }) {
  const time = useNow();
  const { members, ...resource } = useMembers();
  const member = members.find(({ peer_id }) => peer_id === peer);
  useTitle(member?.name ?? shortId(peer));

  const span = Number(usePlace().query.get("span") ?? SPANS[0]?.[0]);
  const [intervals, since] = useMemo(() => [new Intervals(), asTime(now() - span * 1000)] as const, [peer, span]);
  const [, render] = useReducer((turn: number) => turn + 1, 0);
  const history = useResource(`${peer} ${since}`, async (signal) => {
    const path = query("/nodes/logs", { peer_id: peer, msg: INTERVAL, start_time: since, limit: 10_000 });
    for (const { created_at, logs } of await list<Log>(path, signal)) intervals.add(created_at, logs);
    return intervals;
  });
  const counts = useResource(
    peer,
    async (signal) => (await list<Count>(query("/nodes/log_stats", { peer_id: peer }), signal)).sort((a, b) => b.qty - a.qty),
    15_000,
  );
  const connections = useResource(peer, (signal) =>
    list<Log>(query("/nodes/logs", { peer_id: peer, msg: "system.connected", limit: MOST_CONNECTIONS }), signal, MOST_CONNECTIONS),
  );
  const added = (messages: Told[]): void => {
    for (const { msg, created_at, logs } of messages) {
      network.heard(peer, parseTime(created_at));
      if (msg === INTERVAL) intervals.add(created_at, logs);
    }
    intervals.trim(now() / 1000 - span);
    render(undefined);
  };
  useFirstPaint(counts.data !== undefined);
  useEffect(() => scrollTo(0, 0), [peer]);

  const types = (counts.data ?? []).flatMap(({ log_type }) => (log_type ? [log_type] : []));
  return (
    <div class="page">
      <header class="page-head">
        <div>
          <h1>
            {member?.name ?? shortId(peer)}{" "}
            {member && <span class={isStale(member, time) ? "mark stale" : "mark live"}>{isStale(member, time) ? "Stale" : "Live"}</span>}
          </h1>
          <p class="peer">{peer}</p>
        </div>
        <nav aria-label="This node elsewhere">
          <a href={link("/profiling", { peer })}>Profiling</a>
          <a href={link("/reputation", { peer })}>Reputation</a>
        </nav>
      </header>
      {member ? (
        <Identity member={member} time={time} />
      ) : (
        <Data resource={resource}>{() => <Empty>No node of this id is known. Its messages, if there are any, are below.</Empty>}</Data>
      )}
      <Toolbar>
        <Tabs label="Time in the charts" parameter="span" options={SPANS} />
      </Toolbar>
      <Data resource={history}>{(intervals) => <Charts intervals={intervals} />}</Data>
      <div class="with-side">
        <LogTail peer={peer} types={types} added={added} />
        <div class="side column">
          <Panel title="Messages by type">
            <Data resource={counts}>{(counts) => <Counts counts={counts} />}</Data>
          </Panel>
          <Panel title="Connections">
            <Data resource={connections}>{(rows) => <Connections rows={rows} />}</Data>
          </Panel>
        </div>
      </div>
    </div>
  );
}
