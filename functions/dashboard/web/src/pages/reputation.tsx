// Who reports what of whom.

import { list, query, type Reports } from "../api";
import { Choice, Search, Tabs, Toolbar, useMembers, type Option } from "../components/controls";
import { Panel } from "../components/panel";
import { Data, Empty } from "../components/states";
import { Table, type Column } from "../components/table";
import { compareText, dateTime, number, parseTime, shortId } from "../format";
import { useFirstPaint, useResource, useTitle } from "../hooks";
import { nameOf } from "../network";
import { nodeLink, usePlace } from "../router";

const VIEWS: Option[] = [
  ["matrix", "Matrix"],
  ["list", "List"],
];
const SCOPES: Option[] = [
  ["logged", "Nodes known here"],
  ["all", "All their peers"],
];
const AGES: Option[] = [
  ["300", "5 min"],
  ["60", "1 min"],
  ["3600", "1 h"],
  ["86400", "1 day"],
  ["1000000000", "Any age"],
];
/** What a matrix of can still be read. */
const MOST_ROWS = 100;
const MOST_COLUMNS = 40;

interface Opinion {
  reporter: string;
  remote: string;
  reputation: number;
  isConnected: boolean;
  at: number;
}

function opinions(reports: Reports[]): Opinion[] {
  return reports.flatMap(({ reporting_peer, remote_peer, reputation, connected, ts }) =>
    remote_peer.map((remote, index) => ({
      reporter: reporting_peer,
      remote,
      reputation: reputation[index] ?? 0,
      isConnected: connected[index] ?? false,
      at: parseTime(ts),
    })),
  );
}

function label(peer: string): string {
  return nameOf(peer) || shortId(peer);
}

function Peer({ peer }: { peer: string }) {
  return (
    <a class="name" href={nodeLink(peer)} title={peer}>
      {label(peer)}
    </a>
  );
}

/** From -3 to 3: by orders of magnitude, since a ban is two thousand million below nothing. */
function grade(reputation: number): number {
  const size = Math.abs(reputation);
  return Math.sign(reputation) * (size === 0 ? 0 : size < 1000 ? 1 : size < 1_000_000 ? 2 : 3);
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function Matrix({ rows }: { rows: Opinion[] }) {
  const told = new Map(rows.map((row) => [`${row.reporter} ${row.remote}`, row]));
  const mentions = new Map<string, number>();
  for (const { remote } of rows) mentions.set(remote, (mentions.get(remote) ?? 0) + 1);
  const byLabel = (a: string, b: string): number => compareText(label(a), label(b));
  const reporters = [...new Set(rows.map(({ reporter }) => reporter))].sort(byLabel);
  const remotes = [...mentions.keys()].sort((a, b) => (mentions.get(b) ?? 0) - (mentions.get(a) ?? 0) || byLabel(a, b));
  const [shownRows, shownColumns] = [reporters.slice(0, MOST_ROWS), remotes.slice(0, MOST_COLUMNS).sort(byLabel)];
  return (
    <>
      <div class="scroller matrix" tabIndex={0} role="group" aria-label="Reputation by reporter and peer">
        <table>
          <thead>
            <tr>
              <th scope="col" class="corner">
                Reporter
              </th>
              {shownColumns.map((remote) => (
                <th key={remote} scope="col" title={remote}>
                  <span>{label(remote)}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shownRows.map((reporter) => (
              <tr key={reporter}>
                <th scope="row">
                  <Peer peer={reporter} />
                </th>
                {shownColumns.map((remote) => {
                  const row = told.get(`${reporter} ${remote}`);
                  if (!row) return <td key={remote} />;
                  const state = row.isConnected ? "connected" : "not connected";
                  return (
                    <td key={remote} class={`grade ${row.isConnected ? "" : "apart"}`} data-grade={grade(row.reputation)} title={`${label(reporter)} of ${label(remote)}: ${number(row.reputation)}, ${state}`}>
                      {compact.format(row.reputation)}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="hint">
        Rows report of columns; blue is above 0, red below, and what is not connected is set in italics.
        {(reporters.length > MOST_ROWS || remotes.length > MOST_COLUMNS) &&
          ` Shown are ${shownRows.length} of ${number(reporters.length)} reporters and the ${shownColumns.length} of ${number(remotes.length)} peers most spoken of; find one by name, or see the list.`}
      </p>
    </>
  );
}

const COLUMNS: Column<Opinion>[] = [
  { key: "reporter", label: "Reporter", width: "26%", value: ({ reporter }) => label(reporter), cell: ({ reporter }) => <Peer peer={reporter} /> },
  { key: "remote", label: "Of", width: "26%", value: ({ remote }) => label(remote), cell: ({ remote }) => <Peer peer={remote} /> },
  { key: "reputation", label: "Reputation", isNumber: true, value: ({ reputation }) => reputation, cell: ({ reputation }) => <span class={reputation < 0 ? "bad" : ""}>{number(reputation)}</span> },
  { key: "connected", label: "Connected", value: ({ isConnected }) => (isConnected ? 1 : 0), cell: ({ isConnected }) => (isConnected ? "Yes" : "No") },
  { key: "at", label: "Reported (UTC)", isExtra: true, width: "20%", value: ({ at }) => at, cell: ({ at }) => dateTime(at) },
];

export function ReputationPage() {
  useTitle("Reputation");
  useMembers();
  const { query: place } = usePlace();
  const [view, scope, age] = [place.get("view") ?? "matrix", place.get("scope") ?? "logged", place.get("age") ?? "300"];
  const [words, peer] = [(place.get("q") ?? "").toLowerCase(), place.get("peer") ?? ""];
  const path = query(scope === "all" ? "/reputation" : "/reputation/logged", { max_age_s: age, limit: 1000 });
  const reports = useResource(path, (signal) => list<Reports>(path, signal), 30_000);
  useFirstPaint(reports.data !== undefined);

  const fits = ({ reporter, remote }: Opinion): boolean =>
    (!peer || reporter === peer || remote === peer) && (!words || [reporter, remote].some((one) => `${one} ${nameOf(one)}`.toLowerCase().includes(words)));
  return (
    <div class="page fill">
      <header class="page-head">
        <h1>Reputation</h1>
        <Toolbar>
          <Tabs label="View" parameter="view" options={VIEWS} />
          <Search label="Find" parameter="q" placeholder="Name or peer" />
          <Choice label="Of" parameter="scope" options={SCOPES} />
          <Choice label="Last" parameter="age" options={AGES} />
        </Toolbar>
      </header>
      {peer && (
        <p class="filter">
          Only what concerns <Peer peer={peer} />. <a href="/dashboard/reputation">Show all</a>
        </p>
      )}
      <Data resource={reports}>
        {(reports) => {
          const rows = opinions(reports).filter(fits);
          const empty = (
            <Empty>
              {reports.length
                ? "Nothing fits these filters."
                : "No report is this young. Nodes report with system.network_state; choose a longer time, or all their peers."}
            </Empty>
          );
          return (
            <Panel title={view === "list" ? "Reports" : "Matrix"} class="grow" aside={<output>{number(rows.length)} opinions</output>}>
              {view === "list" ? (
                <Table label="Reports" rows={rows} columns={COLUMNS} rowKey={({ reporter, remote }) => `${reporter} ${remote}`} sort="reputation" isTall empty={empty} />
              ) : rows.length ? (
                <Matrix rows={rows} />
              ) : (
                empty
              )}
            </Panel>
          );
        }}
      </Data>
    </div>
  );
}
