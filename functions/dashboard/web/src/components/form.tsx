// A form that posts a document, and shows what was wrong beside the field that it concerns.

import { useId, useState } from "preact/hooks";

import { Failure, post, type Json, type JsonObject } from "../api";

export interface Field {
  name: string;
  label: string;
  kind: "text" | "number" | "json" | "time" | "choice";
  hint?: string;
  isOptional?: boolean;
  options?: [value: string, text: string][];
  initial?: string;
}

interface Props {
  path: string;
  fields: Field[];
  submit: string;
  done: () => void;
}

/** What the field holds, as a member of the body; throws what is wrong with it. */
function member({ kind, label }: Field, text: string): Json {
  if (kind === "text" || kind === "time") return text;
  if (kind === "number" || kind === "choice") return Number(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${label} is no JSON: write it like {"blocks": 1000}.`);
  }
}

export function Form({ path, fields, submit, done }: Props) {
  const id = useId();
  const [values, setValues] = useState<Record<string, string>>(() => Object.fromEntries(fields.map(({ name, initial }) => [name, initial ?? ""])));
  const [wrong, setWrong] = useState<{ name: string; message: string }>();
  const [isBusy, setBusy] = useState(false);

  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const body: JsonObject = {};
    for (const field of fields) {
      const text = values[field.name] ?? "";
      if (field.isOptional && !text.trim()) continue;
      try {
        body[field.name] = member(field, text);
      } catch (error) {
        setWrong({ name: field.name, message: error instanceof Error ? error.message : "" });
        return;
      }
    }
    setBusy(true);
    try {
      await post(path, body);
      setWrong(undefined);
      done();
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure(0, String(error));
      setWrong({ name: failure.parameter, message: failure.message });
    } finally {
      setBusy(false);
    }
  };

  return (
    <form class="form" onSubmit={(event) => void send(event)}>
      {fields.map(({ name, label, kind, hint, isOptional, options }) => {
        const isWrong = wrong?.name === name;
        const set = (event: { currentTarget: { value: string } }): void => setValues({ ...values, [name]: event.currentTarget.value });
        const common = {
          id: `${id}-${name}`,
          name,
          required: !isOptional,
          value: values[name] ?? "",
          "aria-invalid": isWrong,
          "aria-describedby": isWrong || hint ? `${id}-${name}-more` : undefined,
        };
        return (
          <div key={name} class={kind === "json" ? "wide" : ""}>
            <label for={common.id}>
              {label}
              {isOptional && <small> (may be left out)</small>}
            </label>
            {kind === "json" ? (
              <textarea {...common} rows={4} spellcheck={false} onInput={set} />
            ) : kind === "choice" ? (
              <select {...common} onChange={set}>
                <option value="">Choose</option>
                {options?.map(([value, text]) => (
                  <option key={value} value={value}>
                    {text}
                  </option>
                ))}
              </select>
            ) : kind === "number" ? (
              <input {...common} type="number" min={0} step={1} onInput={set} />
            ) : kind === "time" ? (
              <input {...common} type="datetime-local" step={1} onInput={set} />
            ) : (
              <input {...common} type="text" onInput={set} />
            )}
            {(isWrong || hint) && (
              <p id={`${id}-${name}-more`} class={isWrong ? "wrong" : "hint"} role={isWrong ? "alert" : undefined}>
                {isWrong ? wrong.message : hint}
              </p>
            )}
          </div>
        );
      })}
      <div class="wide">
        {wrong && !fields.some(({ name }) => name === wrong.name) && (
          <p class="wrong" role="alert">
            {wrong.message}
          </p>
        )}
        <button type="submit" class="primary" disabled={isBusy}>
          {submit}
        </button>
      </div>
    </form>
  );
}
