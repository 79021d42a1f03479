-- What messages are made of: peers, 2,000 of which are nodes; what a node sends in each round; what it says of 100 peers.
CREATE SCHEMA material;

CREATE UNLOGGED TABLE material.peer AS
SELECT number, number < 2000 AS is_node, peer_id, node_id(peer_id) AS id
FROM generate_series(0, 2499) AS number
CROSS JOIN LATERAL (
    SELECT '12D3KooW' || translate(left(encode(sha256(int4send(number)), 'hex'), 44), '0', 'Z') AS peer_id
) AS named;
ALTER TABLE material.peer ADD PRIMARY KEY (number);

-- One of 100 in a round, each as often as `share` says; the last is not among them.
CREATE UNLOGGED TABLE material.kind AS
SELECT row_number() OVER (ORDER BY place, copy) - 1 AS number, fields ->> 'msg' AS msg,
       fields || '{"level": "INFO"}' || CASE fields ->> 'msg'
           WHEN 'tracing.profiling' THEN jsonb_build_object('target', 'pallet_' || copy)
           ELSE '{}'
       END AS fields
FROM (VALUES
    (1, 1, jsonb '{"msg": "system.network_state"}'),
    (2, 4, '{"msg": "system.connected", "name": "Alice", "chain": "Development", "config": "", "version": "2.1.0-x86_64-linux-gnu",
             "authority": true, "network_id": "QmMASi45ub7Qe4ZE36UT5G6cU4ud8Fhhe4deS4F3cw9KTA", "startup_time": "1795336053022",
             "implementation": "Tetcore Node"}'),
    (3, 20, '{"msg": "system.interval", "peers": 39, "txcount": 0, "cpu": 11.290322303771973, "memory": 984484,
              "best": "0x07fa22f715c891ff3add6527a4946d15b17dd255f4c18226aed23b0fb6104b84", "finalized_height": 1853478,
              "finalized_hash": "0x51cdf2f9dc7a615d53eab0313c73d5f49b75036226bc9858c5d6d5e9b12e1de2", "bandwidth_download": 18374,
              "bandwidth_upload": 21973, "disk_read_per_sec": 0, "disk_write_per_sec": 202398, "used_db_cache_size": 0,
              "used_state_cache_size": 8376854}'),
    (4, 20, '{"msg": "block.import", "best": "0x8614f504e8ee65a123a9a9da816b2332cfed943bb3783a7cbbddbb9b6de2fb1f",
              "origin": "NetworkBroadcast"}'),
    (5, 20, '{"msg": "tracing.profiling", "name": "on_initialize", "time": "714028", "values": ""}'),
    (6, 10, '{"msg": "notify.finalized", "best": "0x95850e21afbc9ca9d38f8c45041dcd94cdff5a1cd01a914cd5be785a9187df42"}'),
    (7, 10, '{"msg": "txpool.import", "ready": 207, "future": 0}'),
    (8, 8, '{"msg": "afg.received_prevote", "voter": "\"54YJdQ9kZahsxwE6JzGRSiVULwux293UnqztXeY15SuawWVG\"",
             "target_hash": "0xc08a58d756947a7a452e704d607a473235c2e229862fe231beef67fb69f44612", "target_number": "1853275"}'),
    (9, 7, '{"msg": "afg.finalized_blocks_up_to", "number": "1853247",
             "hash": "0xf10586671be03df0ae9c78bdf8cd9ec385b9c09a26edf1bd27855798394afbe9"}'),
    (10, 1, '{"msg": "slots.err_with_block_built_on", "err": "ClientImport(\"Unexpected epoch change\")",
              "hash": "0x35185376c2410ad1f6da7a638fa624f71fab5884e29aaceaf49c9eba6b911f97"}')
) AS kind (place, share, fields)
CROSS JOIN generate_series(1, share) AS copy;
ALTER TABLE material.kind ADD PRIMARY KEY (number);

-- 75 of the peers are nodes, too, so each node is reported on by 75 others. A node says one of four things.
CREATE UNLOGGED TABLE material.state (node integer, variant integer, state jsonb COMPRESSION lz4, PRIMARY KEY (node, variant));
INSERT INTO material.state
SELECT node.number, variant,
       jsonb_build_object(
           'peerId', node.peer_id,
           'peerset', jsonb_build_object('nodes', reputations, 'message_queue', 0, 'reserved_only', false),
           'connectedPeers', connections,
           'notConnectedPeers', '{}'::jsonb,
           'externalAddresses', '[]'::jsonb,
           'listenedAddresses', '["/ip4/127.0.0.1/tcp/30333"]'::jsonb,
           'averageUploadPerSec', 21973,
           'averageDownloadPerSec', 18374)
FROM material.peer AS node
CROSS JOIN generate_series(0, 3) AS variant
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(peer_id, jsonb_build_object('connected', connected, 'reputation', reputation)) AS reputations,
           jsonb_object_agg(peer_id, jsonb_build_object(
               'enabled', true,
               'open', true,
               'endpoint', jsonb_build_object('dialing', format('/ip4/10.0.0.%s/tcp/30333', peer.number % 256)),
               'knownAddresses', '["/ip4/10.0.0.1/tcp/30333"]'::jsonb,
               'latestPingTime', jsonb_build_object('secs', 0, 'nanos', 530633281 + peer.number),
               'versionString', 'Tetcore Node/v2.1.0 (node-' || peer.number || ')')) FILTER (WHERE connected) AS connections
    FROM generate_series(1, 100) AS distance
    JOIN material.peer AS peer ON peer.number = CASE
        WHEN distance <= 75 THEN (node.number + distance) % 2000
        ELSE 2000 + (node.number + distance) % 500
    END
    CROSS JOIN LATERAL (
        SELECT (distance + variant) % 4 > 0 AS connected,
               ('{0,0,0,0,120,5000,-2048,-2147483648}'::integer[])[1 + (distance * 3 + variant) % 8] AS reputation
    ) AS opinion
) AS known
WHERE node.is_node;
ANALYZE material.peer, material.kind, material.state;
