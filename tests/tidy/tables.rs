//! The rules of the house as tables.

/// Each room and whom it may know: rooms, or a part of one. `*`: everybody. The same table in words stands in
/// `src/lib.rs`.
pub const ROOMS: &[(&str, &[&str])] = &[
    ("money", &[]),
    ("ledger", &["money"]),
    ("billing", &["money"]),
    ("saga", &["money"]),
    ("provider", &["money", "saga"]),
    ("protocol", &["money", "ledger", "billing", "saga"]),
    ("store", &["money", "ledger", "billing", "saga", "protocol"]),
    ("documents", &["money"]),
    ("messaging", &["protocol", "telemetry::metrics"]),
    (
        "actors",
        &[
            "money",
            "ledger",
            "billing",
            "saga",
            "provider",
            "documents",
            "protocol",
            "store",
            "messaging",
            "documents",
            "faults",
            "resilience",
            "telemetry::metrics",
        ],
    ),
    ("resilience", &[]),
    ("supervision", &["actors", "store", "messaging", "resilience", "faults", "telemetry::metrics"]),
    (
        "teller",
        &["money", "ledger", "billing", "saga", "protocol", "store", "actors", "faults", "resilience", "telemetry"],
    ),
    (
        "admission",
        &["protocol", "store", "settings", "telemetry", "teller::failure", "teller::validate", "resilience", "faults"],
    ),
    (
        "gateway",
        &[
            "money",
            "ledger",
            "billing",
            "saga",
            "protocol",
            "store",
            "actors",
            "teller",
            "admission",
            "resilience",
            "settings",
            "telemetry",
        ],
    ),
    ("telemetry", &["settings"]),
    ("settings", &[]),
    ("faults", &[]),
    ("runtime", &["*"]),
    ("cli", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];

/// Contracts do not know each other, and what they share knows none of them.
pub const CONTRACTS: &[&str] = &[
    "gateway::accounts_v1",
    "gateway::customers_v1",
    "gateway::florin_v1",
    "gateway::orders_v1",
    "gateway::payment_v1",
];
/// Who knows contracts: what puts them together.
pub const KNOW_CONTRACTS: &[&str] =
    &["src/gateway/routes.rs", "src/gateway/docs.rs", "src/gateway/tests.rs", "src/gateway/grpc/server.rs"];

/// Libraries that stay where they belong. A name stands for all that begin with it (`tonic_types`).
pub const LIBRARIES: &[(&str, &[&str])] = &[
    (
        "rdkafka",
        &["src/messaging", "src/cli/events.rs", "src/cli/orders.rs", "servers/src/lib.rs", "servers/src/kafka"],
    ),
    (
        "axum",
        &[
            "src/gateway/http",
            "src/gateway/accounts_v1",
            "src/gateway/customers_v1",
            "src/gateway/florin_v1/rest",
            "src/gateway/orders_v1/rest",
            "src/gateway/docs",
            "src/gateway/routes",
            "src/gateway/tests",
            "src/telemetry",
        ],
    ),
    ("hyper", &["src/gateway/http"]),
    (
        "tonic",
        &[
            "src/gateway/grpc",
            "src/gateway/payment_v1",
            "src/gateway/florin_v1/grpc",
            "src/gateway/orders_v1/grpc",
            "src/admission",
            "src/cli",
            "wire",
        ],
    ),
    ("redis", &["src/admission/rate_limit", "src/cli"]),
    (
        "sqlx",
        &[
            "src/store",
            "src/actors",
            "src/supervision",
            "src/teller",
            "src/admission",
            "src/gateway",
            "src/runtime",
            "src/cli",
            "servers/src/postgres/tests.rs",
        ],
    ), // the pool's type; for SQL see below
    ("reqwest", &["src/provider"]),
    ("utoipa", &["src/gateway", "src/teller/native/views"]),
    ("lettre", &["src/documents/mail"]),
    ("object_store", &["src/documents/storage"]),
    ("csv", &["src/documents/csv"]),
    ("base64", &["src/gateway/http/shape"]),
    ("ractor", &["src/actors", "src/supervision", "src/protocol"]),
    ("typst", &["pdf"]),
];

/// Packages of ours, and who may know each by its name.
pub const PACKAGES: &[(&str, &[&str])] = &[
    ("florin", &["src", "tests", "load-tests/benches"]),
    (
        "florin_wire",
        &[
            "src/gateway/grpc",
            "src/gateway/orders_v1/grpc",
            "src/gateway/payment_v1",
            "src/gateway/florin_v1/grpc",
            "src/gateway/florin_v1/tests.rs",
            "src/teller/native/names.rs", // its test: the names are those of the wire
            "src/admission/auth",
            "src/cli",
            "tests",
            "load-tests",
        ],
    ),
    ("florin_rules", &["src/lib.rs", "rules/tests"]),
    ("florin_pdf", &["src/actors/papers", "pdf/src/tests", "pdf/tests", "pdf/examples"]),
    ("florin_servers", &["src/cli/dev.rs", "tests", "load-tests"]),
    ("florin_load", &["load-tests/src/main.rs", "load-tests/tests", "load-tests/benches"]),
];

/// Rooms of rules alone, and what they never import. Most of that is not among their package's dependencies either.
pub const RULES: &str = "rules/src";
pub const IMPURE: &[&str] =
    &["tokio", "sqlx", "rdkafka", "tonic", "ractor", "redis", "axum", "reqwest", "futures", "metrics", "tracing"];

/// What the program is made of.
pub const PRODUCT: &[&str] = &["src", "pdf/src", "rules", "servers", "wire"];

/// SQL stands in `src/store` and in tests.
pub const SQL: &[&str] = &[
    "sqlx::query",
    "sqlx::raw_sql",
    "AssertSqlSafe",
    "QueryBuilder",
    "\"SELECT ",
    "\"INSERT INTO ",
    "\"UPDATE ",
    "\"DELETE FROM ",
    "\"CREATE ",
    "\"ALTER ",
];

/// Where our code is.
pub const FOLDERS: &[&str] = &["src", "pdf", "rules", "servers", "wire", "tests", "load-tests"];

pub const LINES_MAX: usize = 400;

/// Longer files, each with the reason.
pub const LONG_FILES: &[(&str, &str)] = &[];

/// Names of operators' actions: they read like fault points and are none.
pub const ACTIONS: &[&str] = &["account.status", "account.limits", "account.rebuild"];

/// Folders of one machine. Written in two halves, or this file would be the first to break the rule.
pub const MACHINE_PATHS: &[&str] = &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];
