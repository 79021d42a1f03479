// Numbers and times for people. All times are UTC, as in the database.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export const NONE = "–";

/** The order of names: 2 comes before 10. */
export const compareText = new Intl.Collator("en", { numeric: true }).compare;

export function number(value: number | null | undefined): string {
  return value == null ? NONE : whole.format(value);
}

export function bytes(value: number | null | undefined): string {
  if (value == null) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let left = value;
  while (Math.abs(left) >= 1024 && unit < units.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${short.format(left)} ${units[unit]}`;
}

/** What took so many nanoseconds. */
export function nanoseconds(value: number | null | undefined): string {
  if (value == null) return NONE;
  if (value < 1e3) return `${short.format(value)} ns`;
  if (value < 1e6) return `${short.format(value / 1e3)} µs`;
  if (value < 1e9) return `${short.format(value / 1e6)} ms`;
  return `${short.format(value / 1e9)} s`;
}

export function seconds(milliseconds: number | null | undefined): string {
  return milliseconds == null ? NONE : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** How long ago, roughly. */
export function ago(milliseconds: number): string {
  const s = Math.max(0, Math.round(milliseconds / 1000));
  if (s < 2) return "now";
  if (s < 120) return `${s} s ago`;
  if (s < 7200) return `${Math.round(s / 60)} min ago`;
  if (s < 172_800) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86_400)} d ago`;
}

/** A time of the endpoints, which is UTC without saying so. */
export function parseTime(text: string): number {
  return Date.parse(/[zZ]$|[+-]\d\d:\d\d$/.test(text) ? text : `${text}Z`);
}

/** As the endpoints take it. */
export function asTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace("Z", "");
}

export function dateTime(milliseconds: number): string {
  return Number.isNaN(milliseconds) ? NONE : new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ");
}

export function clock(milliseconds: number): string {
  return Number.isNaN(milliseconds) ? NONE : new Date(milliseconds).toISOString().slice(11, 19);
}

export function preciseClock(milliseconds: number): string {
  return Number.isNaN(milliseconds) ? NONE : new Date(milliseconds).toISOString().slice(11, 23);
}

/** The two ends of a long id. */
export function shortId(id: string): string {
  return id.length <= 16 ? id : `${id.slice(0, 6)}…${id.slice(-6)}`;
}

/** A number that may come as text. */
export function toNumber(value: unknown): number | null {
  if (value === null || value === undefined || value === "") return null;
  const result = Number(value);
  return Number.isFinite(result) ? result : null;
}
