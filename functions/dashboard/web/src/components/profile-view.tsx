// Times by target and name, as a chart and as a table that chooses what is in the chart.

import { useState } from "preact/hooks";

import { nanoseconds, number } from "../format";
import { align, figures, type Figures, type Profile } from "../profile";
import { usePlace } from "../router";
import { Chart, COLOURS } from "./chart";
import { Search, Toolbar } from "./controls";
import { Panel } from "./panel";
import { Empty } from "./states";
import { Table, type Column } from "./table";

interface Props {
  profile: Profile;
  isRaw: boolean;
  /** Said where there is nothing. */
  empty: string;
}

export function ProfileView({ profile, isRaw, empty }: Props) {
  const filter = (usePlace().query.get("series") ?? "").toLowerCase();
  // What the reader chose; the others are in the chart while there is room, the longest times first.
  const [choices, setChoices] = useState<ReadonlyMap<string, boolean>>(new Map());
  const all = [...profile.series.values()].filter(({ target, name }) => `${target} ${name}`.toLowerCase().includes(filter)).map(figures);
  const ranked = [...all].sort((a, b) => b.total - a.total || (a.series.key < b.series.key ? -1 : 1));
  const chosen = ranked.filter(({ series }) => choices.get(series.key) ?? true).slice(0, COLOURS);
  // In the order of their names, so that colours do not change with the figures.
  const inChart = chosen.map(({ series }) => series).sort((a, b) => (a.key < b.key ? -1 : 1));
  const colourOf = new Map(inChart.map(({ key }, index) => [key, index + 1]));

  const toggle = (key: string): void => setChoices(new Map([...choices, [key, !colourOf.has(key)]]));
  const columns: Column<Figures>[] = [
    {
      key: "name",
      label: "Name",
      width: "34%",
      value: ({ series }) => series.name,
      cell: ({ series: { key, name } }) => (
        <label class="series">
          <input type="checkbox" checked={colourOf.has(key)} onChange={() => toggle(key)} />
          <span class={`swatch line-${colourOf.get(key) ?? 0}`} aria-hidden="true" />
          <span title={name}>{name || "(no name)"}</span>
        </label>
      ),
    },
    { key: "target", label: "Target", width: "22%", isExtra: true, value: ({ series }) => series.target, cell: ({ series }) => series.target },
    { key: "qty", label: "Messages", isNumber: true, value: ({ qty }) => qty, cell: ({ qty }) => number(qty) },
    { key: "latest", label: "Latest", isNumber: true, isExtra: true, value: ({ latest }) => latest, cell: ({ latest }) => nanoseconds(latest) },
    { key: "mean", label: "Mean", isNumber: true, value: ({ mean }) => mean, cell: ({ mean }) => nanoseconds(mean) },
    { key: "max", label: "Largest", isNumber: true, value: ({ max }) => max, cell: ({ max }) => nanoseconds(max) },
    { key: "total", label: "In all", isNumber: true, isExtra: true, value: ({ total }) => total, cell: ({ total }) => nanoseconds(total) },
  ];

  return (
    <>
      <Panel title="Time taken">
        {inChart.length ? (
          <Chart
            label="Time taken by target and name"
            lines={inChart.map(({ target, name, key }) => ({ label: `${target} ${name}`, colour: colourOf.get(key) ?? 1 }))}
            data={align(inChart)}
            format={nanoseconds}
            height={280}
            isDotted={isRaw}
          />
        ) : (
          <Empty>{all.length ? "Choose a series below." : empty}</Empty>
        )}
      </Panel>
      {profile.series.size > 0 && (
        <Panel
          title="Series"
          aside={
            <Toolbar>
              <Search label="Find" parameter="series" placeholder="Name or target" />
            </Toolbar>
          }
        >
          <Table
            label="Series"
            rows={all}
            columns={columns}
            rowKey={({ series }) => series.key}
            sort="-total"
            empty={<Empty>No name or target contains this.</Empty>}
          />
        </Panel>
      )}
    </>
  );
}
