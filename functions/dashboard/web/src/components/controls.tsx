// Controls whose state is a parameter of the address.

import type { ComponentChildren } from "preact";
import { useLayoutEffect } from "preact/hooks";

import { compareText, shortId } from "../format";
import { useChanges, useResource } from "../hooks";
import { network, type Member } from "../network";
import { setQuery, usePlace } from "../router";

interface FieldProps {
  label: string;
  parameter: string;
}

export function Search({ label, parameter, placeholder = "" }: FieldProps & { placeholder?: string }) {
  const value = usePlace().query.get(parameter) ?? "";
  return (
    <label class="field">
      <span>{label}</span>
      <input type="search" placeholder={placeholder} value={value} onInput={(event) => setQuery({ [parameter]: event.currentTarget.value })} />
    </label>
  );
}

export type Option = [value: string, text: string];

/** The first option is what holds while the address says nothing. */
export function Choice({ label, parameter, options }: FieldProps & { options: Option[] }) {
  const [fallback] = options;
  const value = usePlace().query.get(parameter) ?? fallback?.[0] ?? "";
  return (
    <label class="field">
      <span>{label}</span>
      <select
        value={value}
        onChange={(event) => setQuery({ [parameter]: event.currentTarget.value === fallback?.[0] ? "" : event.currentTarget.value })}
      >
        {options.some(([known]) => known === value) || <option value={value}>{value}</option>}
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A choice with few options, all in sight. */
export function Tabs({ label, parameter, options }: FieldProps & { options: Option[] }) {
  const [fallback] = options;
  const current = usePlace().query.get(parameter) ?? fallback?.[0];
  return (
    <div class="tabs" role="group" aria-label={label}>
      {options.map(([value, text]) => (
        <button key={value} type="button" aria-pressed={value === current} onClick={() => setQuery({ [parameter]: value === fallback?.[0] ? "" : value })}>
          {text}
        </button>
      ))}
    </div>
  );
}

/** All nodes by their names; they are asked for once, and then every minute. */
export function useMembers(): ReturnType<typeof useResource<number>> & { members: Member[] } {
  const resource = useResource("/nodes", (signal) => network.load(signal), 60_000);
  useChanges(network.watch, 500);
  return { ...resource, members: [...network.members.values()] };
}

/** Chooses a node; the first by name where none is chosen yet. */
export function NodeChoice({ members }: { members: Member[] }) {
  const chosen = usePlace().query.get("peer");
  const options = members
    .map(({ peer_id, name }): Option => [peer_id, name ? `${name} (${shortId(peer_id)})` : peer_id])
    .sort(([, a], [, b]) => compareText(a, b));
  const first = options[0]?.[0];
  useLayoutEffect(() => {
    if (!chosen && first) setQuery({ peer: first });
  }, [chosen, first]);
  return <Choice label="Node" parameter="peer" options={options} />;
}

export function Toolbar({ children }: { children: ComponentChildren }) {
  return <div class="toolbar">{children}</div>;
}
