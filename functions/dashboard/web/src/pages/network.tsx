// All nodes, live.

import { useEffect } from "preact/hooks";

import { Choice, Search, Toolbar, useMembers, type Option } from "../components/controls";
import { Facts, Panel } from "../components/panel";
import { Data, Empty } from "../components/states";
import { Table, type Column } from "../components/table";
import { ago, clock, dateTime, NONE, number, seconds, shortId } from "../format";
import { useFirstPaint, useNow, useTitle } from "../hooks";
import { isStale, nameOf, network, type Event, type Member } from "../network";
import { nodeLink, usePlace } from "../router";

function columns(time: number): Column<Member>[] {
  return [
    {
      key: "name",
      label: "Name",
      width: "19%",
      value: ({ name, peer_id }) => name ?? peer_id,
      cell: (member) => (
        <a class="name" href={nodeLink(member.peer_id)} title={member.peer_id}>
          {member.name ?? shortId(member.peer_id)}
        </a>
      ),
    },
    {
      key: "seen",
      label: "Last seen",
      width: "11%",
      value: ({ seen }) => seen,
      cell: (member) => (
        <span title={`${dateTime(member.seen)} UTC`}>
          <span class={isStale(member, time) ? "mark stale" : "mark live"}>{isStale(member, time) ? "Stale" : "Live"}</span> {ago(time - member.seen)}
        </span>
      ),
    },
    { key: "height", label: "Height", isNumber: true, value: ({ height }) => height, cell: ({ height }) => number(height) },
    { key: "finalized", label: "Finalized", isNumber: true, isExtra: true, value: ({ finalized }) => finalized, cell: ({ finalized }) => number(finalized) },
    { key: "blocktime", label: "Block time", isNumber: true, isExtra: true, value: ({ blockTime }) => blockTime, cell: ({ blockTime }) => seconds(blockTime) },
    { key: "peers", label: "Peers", isNumber: true, width: "7%", value: ({ peers }) => peers, cell: ({ peers }) => number(peers) },
    { key: "chain", label: "Chain", isExtra: true, value: ({ chain }) => chain, cell: ({ chain }) => chain ?? NONE },
    { key: "version", label: "Version", width: "17%", isExtra: true, value: ({ version }) => version, cell: ({ version }) => <span title={version ?? ""}>{version ?? NONE}</span> },
  ];
}

function mean(values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

function largest(values: (number | null)[]): number | null {
  return values.reduce((most, value) => (value !== null && (most === null || value > most) ? value : most), null);
}

function Totals({ members, time }: { members: Member[]; time: number }) {
  const live = members.filter((member) => !isStale(member, time));
  const stale = members.length - live.length;
  return (
    <Facts
      class="totals"
      facts={[
        { label: "Nodes", value: number(members.length) },
        { label: "Live", value: number(live.length) },
        { label: "Stale", value: stale ? <span class="warn">{number(stale)}</span> : "0", title: "Nothing was heard of them for two minutes" },
        { label: "Chains", value: number(new Set(members.map(({ chain }) => chain)).size) },
        { label: "Best block", value: number(largest(live.map(({ height }) => height))) },
        { label: "Finalized", value: number(largest(live.map(({ finalized }) => finalized))) },
        { label: "Block time", value: seconds(mean(live.map(({ blockTime }) => blockTime))), title: "The mean of all live nodes" },
        { label: "Peers", value: number(mean(live.map(({ peers }) => peers))), title: "The mean of all live nodes" },
      ]}
    />
  );
}

function Happened({ event }: { event: Event }) {
  if (event.kind === "arrival") {
    return (
      <li>
        <time>{clock(event.at)}</time>
        <p>
          <a href={nodeLink(event.peer)}>{event.name || shortId(event.peer)}</a> connected
          <small>{event.version}</small>
        </p>
      </li>
    );
  }
  const { height, importers, finalizers, first, at, last, chain } = event;
  return (
    <li>
      <time>{clock(at)}</time>
      <p>
        <strong>#{number(height)}</strong> {finalizers.size ? <span class="mark final">Finalized</span> : <span class="mark">Imported</span>}
        <small>
          {chain && `${chain}, `}first <a href={nodeLink(first)}>{nameOf(first) || shortId(first)}</a>, {number(importers.size)} {importers.size === 1 ? "node" : "nodes"}
          {importers.size > 1 && ` within ${seconds(last - at)}`}
        </small>
      </p>
    </li>
  );
}

export function NetworkPage() {
  useTitle("Network");
  const time = useNow();
  const { members, ...resource } = useMembers();
  const isKnown = resource.data !== undefined;
  // What nodes do means something once it is known who they are.
  useEffect(() => (isKnown ? network.follow() : undefined), [isKnown]);
  useFirstPaint(isKnown);

  const { query } = usePlace();
  const words = (query.get("q") ?? "").toLowerCase();
  const [chain, status] = [query.get("chain") ?? "", query.get("status") ?? ""];
  const ofChain = members.filter((member) => !chain || member.chain === chain);
  const shown = ofChain.filter(
    (member) =>
      (!status || (status === "stale") === isStale(member, time)) &&
      (!words || `${member.name} ${member.peer_id} ${member.version} ${member.ip_addr} ${member.implementation}`.toLowerCase().includes(words)),
  );
  const chains = [...new Set(members.map((member) => member.chain ?? ""))].filter(Boolean).sort();

  return (
    <div class="page fill">
      <h1 class="unseen">Network</h1>
      <Data resource={resource}>
        {() => (
          <>
            <Totals members={ofChain} time={time} />
            <div class="with-side">
              <Panel
                title="Nodes"
                class="grow"
                aside={
                  <Toolbar>
                    <Search label="Find" parameter="q" placeholder="Name, peer, version, address" />
                    <Choice label="Chain" parameter="chain" options={[["", "All chains"], ...chains.map((name): Option => [name, name])]} />
                    <Choice label="Status" parameter="status" options={[["", "All"], ["live", "Live"], ["stale", "Stale"]]} />
                    <output>{shown.length === members.length ? number(members.length) : `${number(shown.length)} of ${number(members.length)}`}</output>
                  </Toolbar>
                }
              >
                <Table
                  label="Nodes"
                  rows={shown}
                  columns={columns(time)}
                  rowKey={({ peer_id }) => peer_id}
                  rowClass={(member) => (isStale(member, time) ? "is-stale" : "")}
                  sort="name"
                  isTall
                  empty={
                    <Empty>
                      {members.length ? (
                        "No node fits these filters."
                      ) : (
                        <>
                          No node has sent anything yet. Start one with <code>--telemetry-url 'ws://{location.host}/ 1'</code>
                        </>
                      )}
                    </Empty>
                  }
                />
              </Panel>
              <Panel title="Events" class="side">
                {network.events.length ? (
                  <ul class="ticker" tabIndex={0}>
                    {network.events.map((event) => (
                      <Happened key={event.key} event={event} />
                    ))}
                  </ul>
                ) : (
                  <Empty>Blocks and connections show here as they come.</Empty>
                )}
              </Panel>
            </div>
          </>
        )}
      </Data>
    </div>
  );
}
