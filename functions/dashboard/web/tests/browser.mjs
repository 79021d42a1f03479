// A browser of its own, whose pages must not complain and must not ask anybody else.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

export const BASE = process.env.BASE_URL;
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The browser, with a profile that is gone when it is closed. */
export async function launch(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), "browser-"));
  const executablePath = execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS, ...options });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/**
 * A page at this path below /dashboard. `quiet()` asserts that it had nothing to complain of; but while something is meant to
 * be away, a browser notes each request that failed.
 */
export async function open(context, path = "") {
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  const foreign = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== BASE && protocol !== "data:") foreign.push(request.url());
  });
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== new URL(BASE).host) foreign.push(socket.url());
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(`${BASE}/dashboard${path}`);
  const quiet = ({ isAway = false } = {}) => {
    assert.deepEqual(foreign, []);
    const failed = /Failed to load resource|WebSocket connection to/;
    assert.deepEqual(isAway ? complaints.filter((text) => !failed.test(text)) : complaints, []);
  };
  return { page, quiet };
}

/** Sends telemetry as a node does; the page has no origin, and so no policy. */
export async function connectNode(context) {
  const page = await context.newPage();
  const url = `${BASE.replace("http", "ws")}/`;
  await page.evaluate(
    (url) =>
      new Promise((resolve, reject) => {
        globalThis.node = new WebSocket(url);
        globalThis.node.onopen = resolve;
        globalThis.node.onerror = () => reject(new Error(`no connection to ${url}`));
      }),
    url,
  );
  return {
    send: (id, ...payloads) =>
      page.evaluate(
        ([id, payloads]) => {
          const ts = new Date().toISOString();
          for (const payload of payloads) globalThis.node.send(JSON.stringify({ id, ts, payload }));
        },
        [id, payloads],
      ),
    sendEach: (messages) => page.evaluate((messages) => messages.forEach((message) => globalThis.node.send(JSON.stringify(message))), messages),
  };
}
