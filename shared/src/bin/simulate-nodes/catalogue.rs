//! What nodes send: each kind of message with its fields, in the order in which a node adds them.

use crate::{
    slot::Slot::{
        AuthoredIn, Authority, BestHash, Connections, FinalizedHash, FinalizedHeight, Header,
        Height, Name, PeerId, RandomBelow, RandomHash, Reputations, StartupMillis,
    },
    template::{
        Field,
        Value::{Json, Object, Plain, Quoted, Text},
    },
};

/// A message's name and the fields of its own.
pub(crate) type Kind = (&'static str, &'static [Field]);

/// What one generation of nodes sends, in which turn.
pub(crate) struct Catalogue {
    /// First on every connection, for each node.
    pub(crate) connected: Kind,
    /// Then once on every connection.
    pub(crate) opening: &'static [Kind],
    /// Then again and again …
    pub(crate) round: &'static [Kind],
    /// … with one of these after each round.
    pub(crate) occasional: &'static [Kind],
}

/// Flat objects, as nodes sent them until early 2021.
pub(crate) const V1: Catalogue = Catalogue {
    connected: (
        "system.connected",
        &[
            ("name", Quoted(Name)),
            ("chain", Text("Development")),
            ("config", Text("")),
            ("version", Text("2.1.0-x86_64-linux-gnu")),
            ("authority", Plain(Authority)),
            ("network_id", Quoted(PeerId)),
            ("startup_time", Quoted(StartupMillis)),
            ("implementation", Text("Tetcore Node")),
        ],
    ),
    opening: &[NETWORK_STATE],
    round: &[
        (
            "system.interval",
            &[
                ("peers", Plain(RandomBelow(50))),
                ("height", Plain(Height)),
                ("best", Quoted(BestHash)),
                ("txcount", Plain(RandomBelow(20))),
                ("cpu", Json("11.290322303771973")),
                ("memory", Plain(RandomBelow(2_000_000))),
                ("finalized_height", Plain(FinalizedHeight)),
                ("finalized_hash", Quoted(FinalizedHash)),
                ("bandwidth_download", Plain(RandomBelow(40_000))),
                ("bandwidth_upload", Plain(RandomBelow(40_000))),
                ("disk_read_per_sec", Json("0")),
                ("disk_write_per_sec", Plain(RandomBelow(400_000))),
                ("used_db_cache_size", Json("0")),
                ("used_state_cache_size", Json("8376854")),
            ],
        ),
        BLOCK_IMPORT,
        FINALIZED,
        RECEIVED_COMMIT,
        (
            "tracing.profiling",
            &[
                ("target", Text("pallet_balances")),
                ("name", Text("transfer")),
                ("time", Quoted(RandomBelow(1_000_000))),
                ("values", Text("")),
            ],
        ),
    ],
    occasional: &[
        NETWORK_STATE,
        (
            "tracing.profiling",
            &[
                ("target", Text("frame_system")),
                ("name", Text("<AccountNonce<T>>::get")),
                ("time", Quoted(RandomBelow(100_000))),
                ("values", Text("")),
            ],
        ),
        TXPOOL_IMPORT,
        FINALIZED_UP_TO,
        (
            "tracing.profiling",
            &[
                ("target", Text("pallet_babe")),
                ("name", Text("on_initialize")),
                ("time", Quoted(RandomBelow(800_000))),
                ("values", Text("")),
            ],
        ),
        RECEIVED_PREVOTE,
        ("babe.checked_and_importing", &[("pre_header", Quoted(Header))]),
        ANNOUNCING_BLOCKS,
        PREPARED_BLOCK,
    ],
};

/// Objects in an envelope, as nodes have sent them since.
pub(crate) const V2: Catalogue = Catalogue {
    connected: (
        "system.connected",
        &[
            ("name", Quoted(Name)),
            ("implementation", Text("Tetcore Node")),
            ("version", Text("3.4.0-5f2c81ab9d0")),
            ("config", Text("")),
            ("chain", Text("Development")),
            (
                "genesis_hash",
                Text("0xd5d5a1c3b2f04e6798c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f4051627"),
            ),
            ("authority", Plain(Authority)),
            ("startup_time", Quoted(StartupMillis)),
            ("network_id", Quoted(PeerId)),
            ("target_os", Text("linux")),
            ("target_arch", Text("x86_64")),
            ("target_env", Text("gnu")),
            (
                "sysinfo",
                Object(&[
                    ("cpu", Text("AMD EPYC 7R13 Processor")),
                    ("memory", Json("33554432000")),
                    ("core_count", Json("8")),
                    ("linux_kernel", Text("6.1.0-18-amd64")),
                    ("linux_distro", Text("Debian GNU/Linux 12 (bookworm)")),
                    ("is_virtual_machine", Json("true")),
                ]),
            ),
        ],
    ),
    opening: &[
        (
            "sysinfo.hwbench",
            &[
                ("cpu_hashrate_score", Json("1028")),
                ("parallel_cpu_hashrate_score", Json("1012")),
                ("parallel_cpu_cores", Json("8")),
                ("memory_memcpy_score", Plain(RandomBelow(15_000))),
                ("disk_sequential_write_score", Plain(RandomBelow(1500))),
                ("disk_random_write_score", Plain(RandomBelow(500))),
            ],
        ),
        ("afg.authority_set", &[AUTHORITY_ID, AUTHORITY_SET_ID, AUTHORITIES]),
    ],
    round: &[
        (
            "system.interval",
            &[
                ("height", Plain(Height)),
                ("best", Quoted(BestHash)),
                ("txcount", Plain(RandomBelow(20))),
                ("finalized_height", Plain(FinalizedHeight)),
                ("finalized_hash", Quoted(FinalizedHash)),
                ("used_state_cache_size", Json("67108864")),
            ],
        ),
        (
            "system.interval",
            &[
                ("peers", Plain(RandomBelow(50))),
                ("bandwidth_download", Plain(RandomBelow(40_000))),
                ("bandwidth_upload", Plain(RandomBelow(40_000))),
            ],
        ),
        BLOCK_IMPORT,
        FINALIZED,
        RECEIVED_COMMIT,
    ],
    occasional: &[
        TXPOOL_IMPORT,
        ("aura.checked_and_importing", &[("pre_header", Quoted(Header))]),
        FINALIZED_UP_TO,
        PREPARED_BLOCK,
        RECEIVED_PREVOTE,
        (
            "afg.authority_set",
            &[
                ("number", Quoted(FinalizedHeight)),
                ("hash", Quoted(FinalizedHash)),
                AUTHORITY_ID,
                AUTHORITY_SET_ID,
                AUTHORITIES,
            ],
        ),
        (
            "slots.pre_sealed_block",
            &[
                ("header_num", Quoted(Height)),
                ("hash_now", Quoted(BestHash)),
                ("hash_previously", Quoted(RandomHash)),
            ],
        ),
        ANNOUNCING_BLOCKS,
        (
            "slots.unable_authoring_block",
            &[
                ("slot", Plain(AuthoredIn)),
                ("err", Text(r#"\"no \\\"inherents\\\"\\nline two — ünïcode\""#)),
            ],
        ),
        ("slots.starting_authorship", &[("slot_num", Plain(AuthoredIn))]),
    ],
};

const NETWORK_STATE: Kind = (
    "system.network_state",
    &[(
        "state",
        Object(&[
            ("peerId", Quoted(PeerId)),
            (
                "peerset",
                Object(&[
                    ("nodes", Plain(Reputations)),
                    ("message_queue", Json("0")),
                    ("reserved_only", Json("false")),
                ]),
            ),
            ("connectedPeers", Plain(Connections)),
            ("notConnectedPeers", Json("{}")),
            ("externalAddresses", Json("[]")),
            ("listenedAddresses", Json(r#"["/ip4/127.0.0.1/tcp/30333"]"#)),
            ("averageUploadPerSec", Plain(RandomBelow(40_000))),
            ("averageDownloadPerSec", Plain(RandomBelow(40_000))),
        ]),
    )],
);
const BLOCK_IMPORT: Kind = (
    "block.import",
    &[("height", Plain(Height)), ("best", Quoted(BestHash)), ("origin", Text("NetworkBroadcast"))],
);
const FINALIZED: Kind =
    ("notify.finalized", &[("height", Quoted(FinalizedHeight)), ("best", Quoted(FinalizedHash))]);
const TXPOOL_IMPORT: Kind =
    ("txpool.import", &[("ready", Plain(RandomBelow(300))), ("future", Plain(RandomBelow(3)))]);
const FINALIZED_UP_TO: Kind = (
    "afg.finalized_blocks_up_to",
    &[("number", Quoted(FinalizedHeight)), ("hash", Quoted(FinalizedHash))],
);
const PREPARED_BLOCK: Kind =
    ("prepared_block_for_proposing", &[("number", Quoted(Height)), ("hash", Quoted(RandomHash))]);
const RECEIVED_PREVOTE: Kind = (
    "afg.received_prevote",
    &[
        ("voter", Text(r#"\"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY\""#)),
        ("target_number", Quoted(Height)),
        ("target_hash", Quoted(BestHash)),
    ],
);
const RECEIVED_COMMIT: Kind = (
    "afg.received_commit",
    &[
        (
            "contains_precommits_signed_by",
            Text(concat!(
                r#"[\"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY\", "#,
                r#"\"5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty\", "#,
                r#"\"5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y\", "#,
                r#"\"5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy\"]"#,
            )),
        ),
        ("target_number", Quoted(FinalizedHeight)),
        ("target_hash", Quoted(FinalizedHash)),
    ],
);
const ANNOUNCING_BLOCKS: Kind = (
    "afg.announcing_blocks_to_voted_peers",
    &[("block", Quoted(BestHash)), ("round", Quoted(Height)), ("set_id", Text("7"))],
);
const AUTHORITY_ID: Field =
    ("authority_id", Text("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"));
const AUTHORITY_SET_ID: Field = ("authority_set_id", Text("7"));
const AUTHORITIES: Field = (
    "authorities",
    Text(concat!(
        r#"[\"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY\","#,
        r#"\"5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty\"]"#,
    )),
);
