// A part of a page with its heading.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Props {
  title: string;
  /** Beside the heading. */
  aside?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}

export function Panel({ title, aside, children, class: className = "" }: Props) {
  const id = useId();
  return (
    <section class={`panel ${className}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

export interface Fact {
  label: string;
  value: ComponentChildren;
  title?: string;
}

export function Facts({ facts, class: className = "" }: { facts: Fact[]; class?: string }) {
  return (
    <dl class={`facts ${className}`}>
      {facts.map(({ label, value, title }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd title={title}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
