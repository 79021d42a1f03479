// Each page shows what was sent, follows live, and survives what may happen to the functions that it asks.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { BASE, connectNode, launch, open } from "./browser.mjs";
import { CHAIN, OTHER, PEER, connected, finalized, imported, intervals, networkState, profiling } from "./messages.mjs";
import { kill } from "./stack.mjs";

const CROWD = 2000;

let browser;
let context;
let node;

before(async () => {
  browser = await launch();
  context = browser.context;
  node = await connectNode(context);
  await node.send(1, connected("Anna", PEER));
  await node.send(2, connected("Bert", OTHER));
  await node.send(
    1,
    ...intervals({ height: 4711, finalized: 4708, peers: 17 }),
    profiling("pallet_test", "weigh", 1_500_000),
    profiling("pallet_test", "weigh", 2_500_000),
    networkState(PEER, { [OTHER]: { reputation: -4321, connected: true } }),
  );
  // Else the first page could be opened before they are stored.
  const listed = async () => (await fetch(`${BASE}/nodes?chain=${encodeURIComponent(CHAIN)}`)).json();
  while ((await listed()).length < 2) await new Promise((resolve) => setTimeout(resolve, 50));
});

after(() => browser?.close());

const row = (page, name) => page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
const cell = (page, name, text) => row(page, name).getByRole("cell", { name: text, exact: true });
const fact = (page, label) => page.locator(".facts div", { has: page.getByText(label, { exact: true }) }).locator("dd");
const notice = (page) => page.getByRole("alert");

async function usefulAfter(page) {
  await page.waitForFunction(() => performance.getEntriesByName("first-useful-paint").length > 0);
  return page.evaluate(() => Math.round(performance.getEntriesByName("first-useful-paint")[0].startTime));
}

test("the network lists all nodes with what they last told, and follows", async (t) => {
  const { page, quiet } = await open(context);
  t.diagnostic(`first useful paint after ${await usefulAfter(page)} ms`);
  await page.getByRole("combobox", { name: "Chain" }).selectOption(CHAIN);
  await cell(page, "Anna", "4,711").waitFor();
  await cell(page, "Anna", "17").waitFor();
  await cell(page, "Anna", "4,708").waitFor();
  assert.equal(await fact(page, "Nodes").textContent(), "2");
  assert.equal(await page.title(), "Network · Tetcore Analytics");

  await node.send(1, ...intervals({ height: 4712, finalized: 4709, peers: 18 }), imported(4712), finalized(4710));
  await cell(page, "Anna", "4,712").waitFor();
  await cell(page, "Anna", "18").waitFor();
  await cell(page, "Anna", "4,710").waitFor();
  await page.locator(".ticker").getByText("#4,712").waitFor();
  assert.equal(await fact(page, "Best block").textContent(), "4,712");
  quiet();
});

test("what is shown is in the address, and can be reached with the keyboard", async () => {
  const { page, quiet } = await open(context);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.getByRole("searchbox", { name: "Find" }).fill("browserbert");
  await row(page, "Bert").waitFor();
  assert.equal(await row(page, "Anna").count(), 0);
  await page.getByRole("button", { name: "Height" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/sort=height/);
  assert.equal(await page.getByRole("columnheader", { name: "Height" }).getAttribute("aria-sort"), "ascending");
  await page.reload();
  await row(page, "Bert").waitFor();
  assert.equal(await row(page, "Anna").count(), 0);
  await page.getByRole("link", { name: "Bert", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Bert" }).waitFor();
  await page.goBack();
  await row(page, "Bert").waitFor();
  await page.getByRole("searchbox", { name: "Find" }).fill("nobody is called so");
  await page.getByText("No node fits these filters.").waitFor();
  quiet();
});

test("a node shows its messages, counts and charts, and follows", async (t) => {
  const { page, quiet } = await open(context, `/nodes/${PEER}`);
  t.diagnostic(`first useful paint after ${await usefulAfter(page)} ms`);
  await page.getByRole("heading", { level: 1, name: "Anna" }).waitFor();
  assert.equal(await fact(page, "Chain").textContent(), CHAIN);
  assert.equal(await fact(page, "Role").textContent(), "Authority");
  const messages = page.getByRole("list", { name: "Messages, the newest first" });
  await messages.getByText("pallet_test").first().waitFor();
  await page.getByRole("img", { name: /^Peers\. Peers: 18$/ }).waitFor();
  await page.getByRole("button", { name: /tracing\.profiling 2/ }).waitFor();

  await node.send(1, ...intervals({ height: 4713, finalized: 4710, peers: 19, txcount: 77 }));
  await page.getByRole("img", { name: /^Peers\. Peers: 19$/ }).waitFor();
  await page.getByRole("img", { name: /Transactions: 77$/ }).waitFor();
  await page.getByRole("img", { name: /Blocks: 3$/ }).waitFor();

  await page.getByRole("combobox", { name: "Type" }).selectOption("block.import");
  await page.waitForURL(/msg=block\.import/);
  await messages.getByText("NetworkBroadcast").first().waitFor();
  assert.equal(await messages.getByText("system.interval").count(), 0);
  await node.send(1, imported(4714));
  await messages.getByText("4714").first().waitFor();
  await messages.getByRole("listitem").first().locator("summary").click();
  await messages.locator("pre").getByText('"height": 4714').waitFor();
  assert.equal(await messages.getByRole("listitem").count(), 2, "each message is listed once");
  quiet();
});

test("a message is listed once, whatever was stored when the page was opened", async () => {
  for (const number of [1, 2, 3, 4, 5, 6, 7, 8]) await node.send(2, { msg: "test.count", number });
  const { page, quiet } = await open(context, `/nodes/${OTHER}?msg=test.count`);
  for (const number of [9, 10, 11, 12]) await node.send(2, { msg: "test.count", number });
  const messages = page.getByRole("list", { name: "Messages, the newest first" });
  await messages.getByText("number 12").waitFor();
  const numbers = await messages.locator(".members").allTextContents();
  assert.deepEqual(numbers.map((text) => Number(text.replace(/\D/g, ""))), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  quiet();
});

test("profiling shows times by target and name, as they are and aggregated", async (t) => {
  const { page, quiet } = await open(context, `/profiling?peer=${PEER}&kind=max&interval=300`);
  t.diagnostic(`first useful paint after ${await usefulAfter(page)} ms`);
  const series = page.getByRole("row", { name: /weigh/ });
  await series.getByRole("cell", { name: "2.5 ms" }).first().waitFor();
  await page.getByRole("combobox", { name: "Show" }).selectOption("Each message");
  await page.waitForURL(/kind=raw/);
  await series.getByRole("cell", { name: "2", exact: true }).waitFor();
  await series.getByRole("cell", { name: "2 ms", exact: true }).waitFor();
  await node.send(1, profiling("pallet_test", "weigh", 9_000_000));
  await series.getByRole("cell", { name: "3", exact: true }).waitFor();
  await series.getByRole("cell", { name: "9 ms", exact: true }).first().waitFor();
  await page.getByRole("checkbox", { name: "weigh" }).uncheck();
  await page.getByText("Choose a series below.").waitFor();
  quiet();
});

test("reputation shows who reports what of whom", async (t) => {
  const { page, quiet } = await open(context, "/reputation?age=3600");
  t.diagnostic(`first useful paint after ${await usefulAfter(page)} ms`);
  const said = page.getByTitle("Anna of Bert: -4,321, connected");
  await said.waitFor();
  assert.equal(await said.textContent(), "-4.3K");
  await page.getByRole("button", { name: "List" }).click();
  const report = page.getByRole("row").filter({ has: page.getByRole("link", { name: "Bert", exact: true }) });
  await report.getByRole("cell", { name: "-4,321" }).waitFor();
  await page.getByRole("searchbox").fill("nobody is called so");
  await page.getByText("Nothing fits these filters.").waitFor();
  quiet();
});

test("benchmarks and their machines are added, and the telemetry of their time is shown", async (t) => {
  const { page, quiet } = await open(context, "/benchmarks");
  t.diagnostic(`first useful paint after ${await usefulAfter(page)} ms`);
  await page.getByText("No benchmark yet.").waitFor();
  await page.getByRole("button", { name: "New host system" }).click();
  for (const [label, value] of [
    ["Description", "Rack 7"],
    ["Operating system", "Debian 12"],
    ["Processors", "16"],
    ["Clock rate in MHz", "3600"],
    ["Memory in MB", "65536"],
    ["Storage", "NVMe"],
  ]) {
    await page.getByLabel(label).fill(value);
  }
  await page.getByRole("button", { name: "Add this host system" }).click();
  await page.getByRole("cell", { name: "Rack 7" }).waitFor();

  await page.getByRole("button", { name: "New benchmark" }).click();
  await page.getByLabel("Description").fill("Ten thousand transfers");
  await page.getByRole("combobox", { name: "Host system" }).selectOption({ label: "1: Rack 7" });
  await page.getByLabel("Start (UTC)").fill(new Date(Date.now() - 600_000).toISOString().slice(0, 19));
  await page.getByLabel("Benchmark (JSON)").fill("{transfers: 10000}");
  await page.getByRole("button", { name: "Add this benchmark" }).click();
  await notice(page).getByText("is no JSON").waitFor();
  await page.getByLabel("Benchmark (JSON)").fill('{"transfers": 10000}');
  await page.getByRole("button", { name: "Add this benchmark" }).click();
  await page.getByRole("link", { name: "Ten thousand transfers" }).click();

  await page.getByRole("heading", { level: 1, name: "Ten thousand transfers" }).waitFor();
  await page.getByRole("combobox", { name: "Node" }).selectOption(PEER);
  await page.getByRole("combobox", { name: "Show" }).selectOption("Largest");
  await page.getByRole("row", { name: /weigh/ }).getByRole("cell", { name: "9 ms" }).first().waitFor();
  await page.locator("pre").getByText('"transfers": 10000').waitFor();
  quiet();
});

test("the database shows the size of what it holds", async (t) => {
  const { page, quiet } = await open(context, "/database");
  t.diagnostic(`first useful paint after ${await usefulAfter(page)} ms`);
  const messages = page.getByRole("row", { name: /tetcore_logs / });
  assert.match((await messages.first().textContent()) ?? "", /kB|MB/);
  assert.match((await fact(page, "Tables").textContent()) ?? "", /kB|MB/);
  await page.getByRole("button", { name: "Indexes" }).click();
  await page.getByRole("rowheader", { name: "peer_connections_pkey" }).waitFor();
  assert.equal(await messages.count(), 0);
  quiet();
});

test("the theme can be chosen, and stays", async () => {
  const { page, quiet } = await open(context, "/database");
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: "Theme: system" }).click();
  await page.getByRole("button", { name: "Theme: light" }).click();
  assert.notEqual(await ground(), light);
  await page.reload();
  assert.notEqual(await ground(), light);
  await page.getByRole("button", { name: "Theme: dark" }).click();
  assert.equal(await ground(), light);
  quiet();
});

test("when live-feed comes back, the pages go on where they were", async () => {
  const network = await open(context, `/?q=${PEER}`);
  const messages = await open(context, `/nodes/${OTHER}?msg=test.resume`);
  await network.page.getByText("Live", { exact: true }).first().waitFor();
  await node.send(2, { msg: "test.resume", number: 1 });
  await messages.page.getByText("number 1").waitFor();
  const start = await kill("live-feed");
  for (const { page } of [network, messages]) await page.getByText("Reconnecting").waitFor();
  await node.send(2, { msg: "test.resume", number: 2 });
  await node.send(1, ...intervals({ height: 4800, finalized: 4799, peers: 23 }));
  start();
  await cell(network.page, "Anna", "4,800").waitFor();
  await messages.page.getByText("number 2").waitFor();
  await node.send(2, { msg: "test.resume", number: 3 });
  await messages.page.getByText("number 3").waitFor();
  const list = messages.page.getByRole("list", { name: "Messages, the newest first" });
  assert.equal(await list.getByRole("listitem").count(), 3, "nothing is missed and nothing repeated");
  for (const { quiet } of [network, messages]) quiet({ isAway: true });
});

for (const [path, name] of [
  ["", "query-nodes"],
  [`/nodes/${PEER}`, "query-node-logs"],
  ["/profiling", "query-nodes"],
  ["/reputation?age=3600", "query-logged-reputation"],
  ["/benchmarks", "benchmarks"],
  ["/database", "query-db-stats"],
]) {
  test(`while ${name} is away, /dashboard${path.split("?")[0]} says so, and then it goes on`, async () => {
    const start = await kill(name);
    const { page, quiet } = await open(context, path);
    await notice(page).getByText(/is away|cannot be reached/).first().waitFor();
    await notice(page).getByRole("button", { name: "Try again" }).first().waitFor();
    start();
    await notice(page).first().waitFor({ state: "detached" });
    quiet({ isAway: true });
  });
}

test("where tokens are set, the page asks for one", async () => {
  const start = await kill("query-nodes");
  start({ API_TOKENS: "right-token" });
  const { page, quiet } = await open(context);
  await page.getByLabel("Token").fill("wrong-token");
  await page.getByRole("button", { name: "Use this token" }).click();
  await page.getByText("This token is not valid").waitFor();
  await page.getByLabel("Token").fill("right-token");
  await page.getByRole("button", { name: "Use this token" }).click();
  await row(page, "Anna").waitFor();
  quiet({ isAway: true });
  const restart = await kill("query-nodes");
  restart({ API_TOKENS: "" });
});

test("thousands of nodes are listed, of which only those in sight are in the document", async () => {
  const crowd = Array.from({ length: CROWD }, (_, index) => {
    const number = String(index).padStart(5, "0");
    return { id: 100 + index, ts: new Date().toISOString(), payload: connected(`Crowd ${number}`, `12D3KooWCrowd${number}`) };
  });
  await node.sendEach(crowd);
  const { page, quiet } = await open(context, "/?q=crowd");
  await page.getByText(new RegExp(`^${CROWD.toLocaleString("en")} of `)).waitFor();
  assert.ok((await page.getByRole("row").count()) < 100);
  const list = page.getByRole("group", { name: "Nodes" });
  await list.evaluate((box) => box.scrollTo(0, box.scrollHeight));
  await row(page, `Crowd 0${CROWD - 1}`).waitFor();
  assert.equal(await row(page, `Crowd 0${CROWD - 1}`).getAttribute("aria-rowindex"), String(CROWD + 1));
  assert.ok((await page.getByRole("row").count()) < 100);
  quiet();
});
