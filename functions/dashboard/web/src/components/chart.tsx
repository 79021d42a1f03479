// A line chart over time.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { clock } from "../format";
import { useTheme } from "../hooks";

export interface Line {
  label: string;
  /** Of the palette in style.css, from 1 on. */
  colour: number;
}

interface Props {
  label: string;
  lines: Line[];
  /** Seconds since 1970, then the values of each line. */
  data: uPlot.AlignedData;
  format: (value: number | null) => string;
  height?: number;
  /** Between the measurements, nothing is drawn. */
  isDotted?: boolean;
}

/** As many as style.css has. */
export const COLOURS = 8;

/** A colour of style.css in the theme that is in force, as a canvas takes it. */
function colourIn(box: HTMLElement, name: string): string {
  box.style.color = `var(${name})`;
  return getComputedStyle(box).color;
}

export function Chart({ label, lines, data, format, height = 160, isDotted = false }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const latest = useRef({ data, format });
  latest.current = { data, format };
  const { inForce } = useTheme();
  const shape = JSON.stringify([lines, height, isDotted, inForce]);

  useLayoutEffect(() => {
    const own = box.current;
    if (!own) return;
    const value = (_: uPlot, value: number | null): string => latest.current.format(value);
    const axis = {
      stroke: colourIn(own, "--muted"),
      font: `11px ${getComputedStyle(own).fontFamily}`,
      grid: { stroke: colourIn(own, "--grid"), width: 1 },
      ticks: { show: false },
    };
    const made = new uPlot(
      {
        width: own.clientWidth,
        height,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        cursor: { points: { size: 6 }, drag: { x: true, y: false } },
        legend: { live: true },
        scales: { y: { range: { min: { pad: 0.1, soft: 0, mode: 2 }, max: { pad: 0.1, soft: 1, mode: 2 } } } },
        series: [
          { label: "Time (UTC)", value: (_, value: number | null) => clock((value ?? NaN) * 1000) },
          ...lines.map(({ label, colour }) => ({
            label,
            stroke: colourIn(own, `--line-${colour}`),
            width: 1.5,
            spanGaps: true,
            value,
            ...(isDotted ? { paths: () => null } : {}),
            points: isDotted ? { show: true, size: 4 } : { size: 4 },
          })),
        ],
        axes: [
          { ...axis, size: 28, space: 70, values: (_, splits) => splits.map((split) => clock(split * 1000)) },
          { ...axis, size: 64, space: 28, values: (_, splits) => splits.map((split) => format(split)) },
        ],
      },
      latest.current.data,
      own,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: own.clientWidth, height }));
    observer.observe(own);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(data), [data]);

  const newest = lines.map(({ label }, index) => `${label}: ${format((data[index + 1]?.at(-1) as number | null) ?? null)}`);
  return <div class="chart" ref={box} role="img" aria-label={`${label}. ${newest.join(", ")}`} />;
}
