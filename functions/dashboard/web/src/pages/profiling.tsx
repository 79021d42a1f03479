// How long what takes on a node: tracing.profiling, live and of the last hour.

import { useEffect, useMemo, useReducer } from "preact/hooks";

import { now } from "../api";
import { Choice, NodeChoice, Toolbar, useMembers, type Option } from "../components/controls";
import { ProfileView } from "../components/profile-view";
import { Data, Empty } from "../components/states";
import { subscribe, type Aggregate, type Entry, type Summary } from "../feed";
import { asTime } from "../format";
import { useFirstPaint, useTitle } from "../hooks";
import { Profile } from "../profile";
import { usePlace } from "../router";

export const AGGREGATES: Option[] = [
  ["mean", "Mean"],
  ["median", "Median"],
  ["percentile90", "90th percentile"],
  ["min", "Smallest"],
  ["max", "Largest"],
  ["raw", "Each message"],
];
export const INTERVALS: Option[] = [
  ["10", "10 s"],
  ["1", "1 s"],
  ["60", "1 min"],
  ["300", "5 min"],
];
const SPANS: Option[] = [
  ["900", "15 min"],
  ["300", "5 min"],
  ["3600", "1 h"],
];
const MSG = "tracing.profiling";

/** The profile of a node as the feed tells it, from so many seconds ago on. */
function useProfile(peer: string, kind: string, interval: number, span: number): Profile {
  const profile = useMemo(() => new Profile(), [peer, kind, interval, span]);
  const [, render] = useReducer((turn: number) => turn + 1, 0);
  useEffect(() => {
    if (!peer) return;
    const start_time = asTime(now() - span * 1000);
    const trim = (): void => {
      profile.trim(now() / 1000 - span);
      render(undefined);
    };
    if (kind === "raw") {
      return subscribe<Entry>({ peer_id: peer, msg: MSG, start_time }, (entries) => {
        for (const { logs, created_at } of entries) profile.addMessage(logs, created_at);
        trim();
      });
    }
    const aggregated = { aggregate_type: kind as Aggregate, aggregate_interval: interval };
    return subscribe<Summary>({ peer_id: peer, msg: MSG, start_time, ...aggregated }, (entries) => {
      for (const { target, name, created_at, time, qty } of entries) profile.addInterval(target, name, created_at, time, qty);
      trim();
    });
  }, [profile]);
  return profile;
}

export function ProfilingPage() {
  useTitle("Profiling");
  const { members, ...resource } = useMembers();
  const { query } = usePlace();
  const peer = query.get("peer") ?? "";
  const kind = query.get("kind") ?? "mean";
  const profile = useProfile(peer, kind, Number(query.get("interval") ?? 10), Number(query.get("span") ?? 900));
  useFirstPaint(resource.data !== undefined);

  return (
    <div class="page">
      <header class="page-head">
        <h1>Profiling</h1>
        <Toolbar>
          <NodeChoice members={members} />
          <Choice label="Show" parameter="kind" options={AGGREGATES} />
          {kind !== "raw" && <Choice label="Of each" parameter="interval" options={INTERVALS} />}
          <Choice label="Last" parameter="span" options={SPANS} />
        </Toolbar>
      </header>
      <Data resource={resource}>
        {() =>
          members.length ? (
            <ProfileView
              key={peer}
              profile={profile}
              isRaw={kind === "raw"}
              empty="This node sent no tracing.profiling in this time. Nodes do when they are started with --tracing-targets and --tracing-receiver Telemetry."
            />
          ) : (
            <Empty>There is no node yet.</Empty>
          )
        }
      </Data>
    </div>
  );
}
