// What stands where data would: loading, nothing there, no answer.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { setToken, token, type Failure } from "../api";
import type { Resource } from "../hooks";

export function Loading() {
  return (
    <p class="state" role="status">
      Loading…
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="state">{children}</div>;
}

function TokenForm() {
  const [value, setValue] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    if (value.trim()) setToken(value.trim());
  };
  return (
    <form class="token" onSubmit={submit}>
      <label>
        Token
        <input
          type="password"
          name="token"
          autocomplete="off"
          required
          pattern="\s*[A-Za-z0-9._~\-]+\s*"
          title="Letters, digits and . _ ~ -"
          value={value}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Use this token</button>
      <p class="hint">One of API_TOKENS. It is kept until this tab is closed.</p>
    </form>
  );
}

/** Why there are no data, and what to do; a banner above those that are still there. */
export function Problem({ failure, reload, isBanner = false }: { failure: Failure; reload: () => void; isBanner?: boolean }) {
  if (failure.status === 401) {
    return (
      <div class="state" role="alert">
        <p class="state-title">{token() ? "This token is not valid" : "A token is needed"}</p>
        <TokenForm />
      </div>
    );
  }
  return (
    <div class={isBanner ? "banner" : "state"} role="alert">
      <p>
        <strong class="state-title">{failure.message}</strong>{" "}
        {failure.passes
          ? "It is asked again every few seconds; if this lasts, look at the log of the function and at its /readyz."
          : "Change the filters, or go back and choose again."}
      </p>
      <button type="button" onClick={reload}>
        Try again
      </button>
    </div>
  );
}

/** The data of a resource, or why there are none. */
export function Data<T>({ resource, children }: { resource: Resource<T>; children: (data: T) => ComponentChildren }) {
  const { data, failure, reload } = resource;
  return (
    <>
      {failure && <Problem failure={failure} reload={reload} isBanner={data !== undefined} />}
      {data !== undefined ? children(data) : failure ? null : <Loading />}
    </>
  );
}
