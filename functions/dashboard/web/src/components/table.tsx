// A table whose head stays, whose columns sort, and of whose rows only those in sight are in the document.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { compareText } from "../format";
import { setQuery, usePlace } from "../router";

/** The height of each row in pixels, as in style.css. */
const ROW = 32;
/** Rows beyond both edges that are rendered, too. */
const MARGIN = 12;

export interface Column<T> {
  key: string;
  label: string;
  /** What it is sorted by; null comes last. */
  value?: (row: T) => number | string | null;
  cell: (row: T) => ComponentChildren;
  isNumber?: boolean;
  /** Share of the width. */
  width?: string;
  /** Left out on narrow screens. */
  isExtra?: boolean;
}

interface Props<T> {
  label: string;
  rows: T[];
  columns: Column<T>[];
  rowKey: (row: T) => string;
  rowClass?: (row: T) => string;
  /** The column that sorts at first; with - in front, downwards. */
  sort: string;
  /** The parameter of the address that holds what sorts. */
  parameter?: string;
  empty: ComponentChildren;
  isTall?: boolean;
}

function compare(a: number | string | null, b: number | string | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? Infinity : -Infinity;
  return typeof a === "number" && typeof b === "number" ? a - b : compareText(String(a), String(b));
}

export function sorted<T>(rows: T[], columns: Column<T>[], sort: string): T[] {
  const isDown = sort.startsWith("-");
  const value = columns.find((column) => column.key === sort.replace("-", ""))?.value;
  if (!value) return rows;
  return rows
    .map((row) => [value(row), row] as const)
    .sort(([a], [b]) => {
      const order = compare(a, b);
      // Whatever has no value comes last in both directions.
      return isDown && Number.isFinite(order) ? -order : order;
    })
    .map(([, row]) => row);
}

export function Table<T>(props: Props<T>) {
  const { label, columns, rowKey, rowClass, parameter = "sort", isTall = false } = props;
  const sort = usePlace().query.get(parameter) ?? props.sort;
  const rows = useMemo(() => sorted(props.rows, columns, sort), [props.rows, columns, sort]);
  const scroller = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ first: 0, count: 60 });

  const look = (): void => {
    const box = scroller.current;
    if (!box) return;
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - MARGIN);
    const count = Math.ceil(box.clientHeight / ROW) + 2 * MARGIN;
    setSight((before) => (before.first === first && before.count === count ? before : { first, count }));
  };
  useLayoutEffect(() => {
    look();
    const observer = new ResizeObserver(look);
    if (scroller.current) observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);

  const first = Math.min(sight.first, Math.max(0, rows.length - sight.count));
  const shown = rows.slice(first, first + sight.count);
  const below = rows.length - first - shown.length;
  const toggle = (key: string): void => setQuery({ [parameter]: sort === key ? `-${key}` : key });

  return (
    <div class={`scroller ${isTall ? "tall" : ""}`} ref={scroller} onScroll={look} tabIndex={0} role="group" aria-label={label}>
      <table aria-rowcount={rows.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ key, label, value, isNumber, width, isExtra }) => {
              const direction = sort === key ? "ascending" : sort === `-${key}` ? "descending" : undefined;
              return (
                <th key={key} scope="col" class={`${isNumber ? "number" : ""} ${isExtra ? "extra" : ""}`} style={{ width }} aria-sort={direction}>
                  {value ? (
                    <button type="button" class="sort" onClick={() => toggle(key)}>
                      {label}
                      <span aria-hidden="true">{direction === "ascending" ? "▲" : direction === "descending" ? "▼" : ""}</span>
                    </button>
                  ) : (
                    label
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <tr class="gap" aria-hidden="true" style={{ height: `${first * ROW}px` }} />}
          {shown.map((row, index) => (
            <tr key={rowKey(row)} aria-rowindex={first + index + 2} class={rowClass?.(row)}>
              {columns.map(({ key, cell, isNumber, isExtra }, column) => {
                const className = `${isNumber ? "number" : ""} ${isExtra ? "extra" : ""}`;
                return column === 0 ? (
                  <th key={key} scope="row" class={className}>
                    {cell(row)}
                  </th>
                ) : (
                  <td key={key} class={className}>
                    {cell(row)}
                  </td>
                );
              })}
            </tr>
          ))}
          {below > 0 && <tr class="gap" aria-hidden="true" style={{ height: `${below * ROW}px` }} />}
        </tbody>
      </table>
      {rows.length === 0 && props.empty}
    </div>
  );
}
