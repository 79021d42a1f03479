// A JSON document to read and to copy.

import { useState } from "preact/hooks";

import type { Json } from "../api";

export function JsonView({ value }: { value: Json }) {
  const [isCopied, setCopied] = useState(false);
  const text = JSON.stringify(value, null, 2);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="json">
      {"clipboard" in navigator && (
        <button type="button" onClick={() => void copy().catch(() => setCopied(false))}>
          {isCopied ? "Copied" : "Copy"}
        </button>
      )}
      <pre tabIndex={0}>{text}</pre>
    </div>
  );
}
