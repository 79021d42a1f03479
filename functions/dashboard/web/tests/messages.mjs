// What the nodes of these tests send.

export const CHAIN = "Browser Testnet";
export const PEER = "12D3KooWBrowserAnna11111111111111111111111111111111";
export const OTHER = "12D3KooWBrowserBert22222222222222222222222222222222";

export function connected(name, network_id) {
  return {
    msg: "system.connected",
    name,
    network_id,
    chain: CHAIN,
    version: "9.8.7-test",
    implementation: "Test Node",
    authority: true,
    config: "",
    genesis_hash: `0x${"d5".repeat(32)}`,
    startup_time: "1767225600000",
  };
}

/** The two forms of system.interval. */
export function intervals({ height, finalized, peers, txcount = 3 }) {
  return [
    { msg: "system.interval", height, best: `0x${"0a".repeat(32)}`, txcount, finalized_height: finalized, finalized_hash: `0x${"0b".repeat(32)}`, used_state_cache_size: 1 },
    { msg: "system.interval", peers, bandwidth_download: 4096, bandwidth_upload: 2048 },
  ];
}

export function imported(height) {
  return { msg: "block.import", height, best: `0x${"0c".repeat(32)}`, origin: "NetworkBroadcast" };
}

export function finalized(height) {
  return { msg: "notify.finalized", height: String(height), best: `0x${"0d".repeat(32)}` };
}

export function profiling(target, name, time) {
  return { msg: "tracing.profiling", target, name, time, id: 1, parent_id: null, values: {} };
}

export function networkState(peerId, nodes) {
  return { msg: "system.network_state", state: { peerId, peerset: { nodes } } };
}
