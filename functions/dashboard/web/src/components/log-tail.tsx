// The live tail of a node's messages.

import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";

import { Failure, type Json, type JsonObject } from "../api";
import { dateTime, number, preciseClock } from "../format";
import { setQuery, usePlace } from "../router";
import { Tail, type Line, type Told } from "../tail";
import { Choice, Toolbar, type Option } from "./controls";
import { JsonView } from "./json";
import { Panel } from "./panel";
import { Empty, Loading, Problem } from "./states";

const SHOWN = ["msg", "ts", "level", "target"];

function brief(value: Json | undefined): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function Summary({ logs }: { logs: JsonObject }) {
  const members = Object.entries(logs).filter(([name]) => !SHOWN.includes(name));
  return (
    <span class="members">
      {members.slice(0, 8).map(([name, value]) => (
        <span key={name}>
          <i>{name}</i> {brief(value)}
        </span>
      ))}
    </span>
  );
}

function Message({ line }: { line: Line }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <li>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <time title={`${dateTime(line.at)} UTC`}>{preciseClock(line.at)}</time>
          <b>{line.msg || "(no msg)"}</b>
          {line.target && <em>{line.target}</em>}
          <Summary logs={line.logs} />
        </summary>
        {isOpen && <JsonView value={line.logs} />}
      </details>
    </li>
  );
}

interface Props {
  peer: string;
  /** The types of messages that there are. */
  types: string[];
  added: (messages: Told[]) => void;
}

export function LogTail({ peer, types, added }: Props) {
  const { query } = usePlace();
  const [msg, target] = [query.get("msg") ?? "", query.get("target") ?? ""];
  const [typed, setTyped] = useState(target);
  const [attempt, again] = useReducer((turn: number) => turn + 1, 0);
  const [, render] = useReducer((turn: number) => turn + 1, 0);
  const [failure, setFailure] = useState<Failure>();
  const [isOpen, setOpen] = useState(false);
  const latest = useRef(added);
  latest.current = added;
  const [open, tail] = useMemo(() => [new AbortController(), new Tail(peer, { msg, target })], [peer, msg, target, attempt]);

  useEffect(() => {
    setFailure(undefined);
    setOpen(false);
    let timer = 0;
    const failed = (error: unknown): void => {
      if (open.signal.aborted) return;
      const failure = error instanceof Failure ? error : new Failure(0, String(error));
      setFailure(failure);
      if (failure.passes) timer = window.setTimeout(again, 5000);
    };
    const told = (messages: Told[]): void => {
      latest.current(messages);
      render(undefined);
    };
    tail.open(open.signal, told).then(() => setOpen(true), failed);
    return () => {
      clearTimeout(timer);
      open.abort();
    };
  }, [tail]);

  const older = (): void => {
    tail.older(open.signal).then(render, (error: unknown) => error instanceof Failure && setFailure(error));
  };
  const toggle = (): void => {
    if (tail.isPaused) tail.resume();
    else tail.pause();
    render(undefined);
  };
  const applyTarget = (event: Event): void => {
    event.preventDefault();
    setQuery({ target: typed.trim() });
  };

  return (
    <Panel
      title="Messages"
      class="log"
      aside={
        <Toolbar>
          <Choice label="Type" parameter="msg" options={[["", "All types"], ...types.map((type): Option => [type, type])]} />
          <form class="field" onSubmit={applyTarget}>
            <label>
              <span>Target</span>
              <input type="search" placeholder="such as pallet_babe" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} onBlur={applyTarget} />
            </label>
          </form>
          <button type="button" onClick={toggle} aria-pressed={tail.isPaused}>
            {tail.isPaused ? `Resume (${number(tail.waiting)} new)` : "Pause"}
          </button>
        </Toolbar>
      }
    >
      {failure && <Problem failure={failure} reload={() => again(undefined)} isBanner={tail.lines.length > 0} />}
      {isOpen || tail.lines.length ? (
        <>
          <ol class="lines" tabIndex={0} aria-label="Messages, the newest first">
            {tail.lines.map((line) => (
              <Message key={line.key} line={line} />
            ))}
          </ol>
          {!tail.lines.length && <Empty>{msg || target ? "No message fits these filters yet." : "This node has sent nothing yet."}</Empty>}
          {tail.goesOn && (
            <button type="button" class="more" onClick={older}>
              Older messages
            </button>
          )}
        </>
      ) : (
        !failure && <Loading />
      )}
    </Panel>
  );
}
