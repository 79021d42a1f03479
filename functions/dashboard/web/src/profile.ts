// How long what took: the times of tracing.profiling, by target and name.

import type { Aggregate } from "./feed";
import type { JsonObject } from "./api";
import { parseTime, toNumber } from "./format";

export interface Point {
  /** Seconds since 1970. */
  at: number;
  /** Nanoseconds. */
  time: number;
  /** How many messages it stands for. */
  qty: number;
}

export interface Series {
  key: string;
  target: string;
  name: string;
  points: Point[];
}

const byTime = (a: Point, b: Point): number => a.at - b.at;

/** Times of one node, each target and name by itself. */
export class Profile {
  readonly series = new Map<string, Series>();
  private readonly places = new Map<string, Point>();

  private of(target: string, name: string): Series {
    const key = JSON.stringify([target, name]);
    const known = this.series.get(key);
    if (known) return known;
    const made: Series = { key, target, name, points: [] };
    this.series.set(key, made);
    return made;
  }

  private put(target: string, name: string, place: string, point: Point): void {
    const series = this.of(target, name);
    const key = `${series.key} ${place}`;
    const known = this.places.get(key);
    if (known) {
      Object.assign(known, point);
      return;
    }
    this.places.set(key, point);
    const last = series.points.at(-1);
    series.points.push(point);
    if (last && last.at > point.at) series.points.sort(byTime);
  }

  /** A message; the same one again changes nothing. */
  addMessage(logs: JsonObject, created_at: string): void {
    const time = toNumber(logs.time);
    if (time === null) return;
    this.put(String(logs.target ?? ""), String(logs.name ?? ""), `${created_at} ${time}`, { at: parseTime(created_at) / 1000, time, qty: 1 });
  }

  /** An interval; it replaces what was said of the same one before. */
  addInterval(target: string, name: string, created_at: string, time: number, qty: number): void {
    this.put(target, name, created_at, { at: parseTime(created_at) / 1000, time, qty });
  }

  /** Forgets what was before this second. */
  trim(from: number): void {
    for (const [key, series] of this.series) {
      series.points = series.points.filter((point) => point.at >= from);
      if (!series.points.length) this.series.delete(key);
    }
    for (const [key, point] of this.places) if (point.at < from) this.places.delete(key);
  }

  /** The same with one point for each interval of so many seconds. */
  aggregated(kind: Aggregate, interval: number): Profile {
    const result = new Profile();
    for (const { target, name, points } of this.series.values()) {
      const groups = new Map<number, number[]>();
      for (const { at, time } of points) {
        const start = Math.floor(at / interval) * interval;
        groups.set(start, [...(groups.get(start) ?? []), time]);
      }
      for (const [start, times] of groups) {
        result.put(target, name, String(start), { at: start, time: aggregate(times, kind), qty: times.length });
      }
    }
    return result;
  }
}

/** Between two ranks, the value is interpolated, as PostgreSQL's percentile_cont does. */
export function aggregate(times: number[], kind: Aggregate): number {
  const ordered = [...times].sort((a, b) => a - b);
  const at = (share: number): number => {
    const rank = share * (ordered.length - 1);
    const below = ordered[Math.floor(rank)] ?? 0;
    return below + ((ordered[Math.ceil(rank)] ?? below) - below) * (rank % 1);
  };
  switch (kind) {
    case "min":
      return at(0);
    case "max":
      return at(1);
    case "mean":
      return times.reduce((sum, time) => sum + time, 0) / times.length;
    case "median":
      return at(0.5);
    case "percentile90":
      return at(0.9);
  }
}

export interface Figures {
  series: Series;
  qty: number;
  latest: number;
  mean: number;
  max: number;
  total: number;
}

export function figures(series: Series): Figures {
  const { points } = series;
  const qty = points.reduce((sum, point) => sum + point.qty, 0);
  const total = points.reduce((sum, point) => sum + point.time * point.qty, 0);
  const max = points.reduce((most, point) => Math.max(most, point.time), 0);
  return { series, qty, total, max, latest: points.at(-1)?.time ?? 0, mean: total / qty };
}

/** As a chart takes it: all times once, and the values of each series there. */
export function align(chosen: Series[]): [number[], ...(number | null)[][]] {
  const times = [...new Set(chosen.flatMap(({ points }) => points.map(({ at }) => at)))].sort((a, b) => a - b);
  const place = new Map(times.map((at, index) => [at, index]));
  const lines = chosen.map(({ points }) => {
    const line = new Array<number | null>(times.length).fill(null);
    for (const { at, time } of points) line[place.get(at) ?? 0] = time;
    return line;
  });
  return [times, ...lines];
}
