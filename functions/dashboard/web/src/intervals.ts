// What system.interval tells over time, in the form that charts take.

import type { JsonObject } from "./api";
import { parseTime, toNumber } from "./format";

const FIELDS = ["peers", "txcount", "bandwidth_download", "bandwidth_upload", "lag"] as const;
type Field = (typeof FIELDS)[number];
type Lines = [number[], ...(number | null)[][]];

export class Intervals {
  private readonly points = new Map<string, { at: number; logs: JsonObject }>();
  /** Of the points as they are, so that a chart is given the same lines until they change. */
  private readonly drawn = new Map<string, Lines>();

  /** The same message again changes nothing. */
  add(created_at: string, logs: JsonObject): void {
    this.drawn.clear();
    this.points.set(`${created_at} ${"peers" in logs} ${"height" in logs}`, { at: parseTime(created_at) / 1000, logs });
  }

  trim(from: number): void {
    for (const [key, { at }] of this.points) {
      if (at >= from) continue;
      this.points.delete(key);
      this.drawn.clear();
    }
  }

  /** The times at which any of these was told, and their values. */
  lines(fields: Field[]): Lines {
    const known = this.drawn.get(fields.join());
    if (known) return known;
    const value = (logs: JsonObject, field: Field): number | null => {
      if (field !== "lag") return toNumber(logs[field]);
      const [height, finalized] = [toNumber(logs.height), toNumber(logs.finalized_height)];
      return height === null || finalized === null ? null : height - finalized;
    };
    const rows = [...this.points.values()]
      .map(({ at, logs }) => ({ at, values: fields.map((field) => value(logs, field)) }))
      .filter(({ values }) => values.some((value) => value !== null))
      .sort((a, b) => a.at - b.at);
    const lines: Lines = [rows.map(({ at }) => at), ...fields.map((_, index) => rows.map(({ values }) => values[index] ?? null))];
    this.drawn.set(fields.join(), lines);
    return lines;
  }
}
