// Takes every page, in both themes and two widths, into the folder that is named.

import { join } from "node:path";

import { BASE, launch } from "./browser.mjs";

const folder = process.argv[2];
const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
/** How long a page may go on to fill with what is live. */
const SETTLE_MS = 4000;

const nodes = await (await fetch(`${BASE}/nodes?limit=1000`)).json();
// Only old nodes tell how long what took.
const node = nodes.find(({ version }) => version?.startsWith("2.")) ?? nodes[0];
const [run] = await (await fetch(`${BASE}/benchmarks?limit=1`)).json();
const PAGES = {
  network: "",
  node: node && `/nodes/${node.peer_id}`,
  profiling: node && `/profiling?kind=max&peer=${node.peer_id}`,
  reputation: "/reputation?age=3600&scope=all",
  "reputation-list": "/reputation?age=3600&view=list&scope=all",
  benchmarks: "/benchmarks",
  benchmark: run && `/benchmarks/${run.id}`,
  database: "/database",
};

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"]) {
    const { context, close } = await launch({ viewport, colorScheme });
    const taken = Object.entries(PAGES).filter(([, path]) => path !== undefined);
    await Promise.all(
      taken.map(async ([name, path]) => {
        const page = await context.newPage();
        await page.goto(`${BASE}/dashboard${path}`);
        await page.waitForFunction(() => performance.getEntriesByName("first-useful-paint").length > 0);
        await page.waitForTimeout(SETTLE_MS);
        await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`), fullPage: true });
      }),
    );
    await close();
  }
}
