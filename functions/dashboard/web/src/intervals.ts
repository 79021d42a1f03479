// What system.interval tells over time, in the form that charts take.

import type { JsonObject } from "./api";
import { parseTime, toNumber } from "./format";

const FIELDS = ["peers", "txcount", "bandwidth_download", "bandwidth_upload", "lag"] as const;
type Field = (typeof FIELDS)[number];

export class Intervals {
  private readonly points = new Map<string, { at: number; logs: JsonObject }>();

  /** The same message again changes nothing. */
  add(created_at: string, logs: JsonObject): void {
    this.points.set(`${created_at} ${"peers" in logs} ${"height" in logs}`, { at: parseTime(created_at) / 1000, logs });
  }

  trim(from: number): void {
    for (const [key, { at }] of this.points) if (at < from) this.points.delete(key);
  }

  /** The times at which any of these was told, and their values. */
  lines(fields: Field[]): [number[], ...(number | null)[][]] {
    const value = (logs: JsonObject, field: Field): number | null => {
      if (field !== "lag") return toNumber(logs[field]);
      const [height, finalized] = [toNumber(logs.height), toNumber(logs.finalized_height)];
      return height === null || finalized === null ? null : height - finalized;
    };
    const rows = [...this.points.values()]
      .map(({ at, logs }) => ({ at, values: fields.map((field) => value(logs, field)) }))
      .filter(({ values }) => values.some((value) => value !== null))
      .sort((a, b) => a.at - b.at);
    return [rows.map(({ at }) => at), ...fields.map((_, index) => rows.map(({ values }) => values[index] ?? null))];
  }
}
