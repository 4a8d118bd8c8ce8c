//! What is done to copies of the books behind Florin's back. The rows are found by the keys that [`super::books`] gives
//! them.

/// An exchange of the payment `back`'s 5.00 USD into so much EUR, at the rate `$rate` where 1.25 was quoted: 4.00 EUR
/// are due.
macro_rules! exchange {
    ($arrives:literal, $rate:literal) => {
        concat!(
            "INSERT INTO rates (tenant, base, quote, rate, source, observed_at) VALUES ('default', 'EUR', 'USD', 1.25, 'test', now()); \
             UPDATE journal SET kind = 7, event = 3, postings = 2, body = jsonb_build_object('exchange', jsonb_build_object('rate_id', (SELECT max(id) FROM rates), 'base', 'EUR', 'quote', 'USD', 'rate', '",
            $rate,
            "', 'rounding', 'half_even')) WHERE key_text = 'back'; \
             INSERT INTO journal (seq, debit_account, credit_account, debit_prev, credit_prev, created_at, id, event, kind, status, api, n, postings, amount, debit_after, credit_after, tenant) \
               SELECT seq + 1, e.id, o.id, 0, 0, j.created_at, j.id, event, j.kind, status, api, 1, 2, ",
            $arrives,
            ", 0, 0, j.tenant FROM journal j, accounts e, accounts o WHERE key_text = 'back' AND e.name = 'emil' AND o.name = 'opening-EUR'"
        )
    };
}

/// The payment `k1` has the key of `k0` as well, so much later.
macro_rules! key_again {
    ($later:literal, $then:literal) => {
        concat!(
            "DROP INDEX journal_1_key; UPDATE journal j SET key = k.key, key_text = k.key_text, created_at = k.created_at + interval '",
            $later,
            "' FROM journal k WHERE k.key_text = 'k0' AND j.key_text = 'k1'; ",
            $then
        )
    };
}

/// The card top-up that the payment `back` becomes, with two facts of a saga that says to have so many.
macro_rules! saga {
    ($facts:literal, $then:literal) => {
        concat!(
            "UPDATE journal SET kind = 15, body = jsonb_build_object('saga', id, 'facts', '[{}, {}]'::jsonb) WHERE key_text = 'back'; \
             INSERT INTO sagas SELECT id, tenant, 2, 1, array_fill(seq, ARRAY[",
            $facts,
            "]), NULL, NULL, NULL, now(), now(), seq FROM journal WHERE key_text = 'back'; ",
            $then
        )
    };
}

/// Partition 1 is closed, and was written in these times.
macro_rules! closed {
    ($first:literal, $last:literal, $then:literal) => {
        concat!(
            "UPDATE journal_partitions SET closed_at = now(), rows = w.rows, last_batch = batch, first_at = ",
            $first,
            ", last_at = ",
            $last,
            " FROM (SELECT w.rows, batch, min(created_at) AS first, max(created_at) AS last FROM writers w, journal_1 GROUP BY 1, 2) w WHERE number = 1; ",
            $then
        )
    };
}

/// What is right, though the books have none of it; with the beginning of the checks' names that must find nothing
/// then.
pub const RIGHT: &[(&str, &str)] = &[
    ("exchange", exchange!("400", "1.25")),
    ("saga", saga!("2", "")),
    (
        "",
        "INSERT INTO operator_actions SELECT id, tenant, now(), 'key:x', 'rate.create', 'EUR', '', NULL, NULL, NULL FROM journal WHERE key_text = 'back'",
    ),
    ("", closed!("first", "last", "")),
    (
        "",
        "INSERT INTO dead_letters (seq, tenant, event, aggregate, body, error, retry_count) \
         SELECT seq, tenant, event, 'a', '{}', 'too large', 0 FROM journal WHERE key_text = 'back'",
    ),
];

/// A key that was used again after it had left.
pub const USED_AGAIN: &str = key_again!("24 hours", "UPDATE journal_partitions SET keys = false WHERE number = 1");

/// Check that must name it; what must appear in what it says; the corruption.
pub const CORRUPTIONS: &[(&str, &str, &str)] = &[
    ("unknown number", "found kind 99", "UPDATE journal SET kind = 99 WHERE key_text = 'back'"),
    ("unknown number", "row 1 of transaction", "UPDATE journal SET kind = 98 WHERE n = 1"),
    ("unknown number", "found status 7", "UPDATE journal SET status = 7 WHERE key_text = 'back'"),
    ("unknown number", "found event 99", "UPDATE journal SET kind = 22, event = 99 WHERE key_text = 'back'"),
    (
        "unknown number",
        "found decline code 6",
        "UPDATE journal SET body = jsonb_set(body, '{code}', '6') WHERE status = 2",
    ),
    (
        "unknown number",
        "found decline code 1.5",
        "UPDATE journal SET body = jsonb_set(body, '{code}', '1.5') WHERE status = 2",
    ),
    ("retired key", "expected a key and nothing else", "UPDATE journal SET follows = id WHERE status = 3"),
    ("retired key", "1 postings", "UPDATE journal SET status = 3 WHERE key_text = 'back'"),
    ("retired key", "key none", "UPDATE journal SET key = NULL WHERE status = 3"),
    ("declined with postings", "1 postings", "UPDATE journal SET status = 2 WHERE key_text = 'back'"),
    ("kind with postings", "1 postings, kind 20", "UPDATE journal SET kind = 20 WHERE key_text = 'back'"),
    ("kind with postings", "1 postings, kind 21", "UPDATE journal SET kind = 21 WHERE key_text = 'back'"),
    ("transaction without postings", "0 postings, kind 1", "UPDATE journal SET amount = NULL WHERE key_text = 'back'"),
    ("transaction without postings", "0 postings, kind 2", "UPDATE journal SET kind = 2 WHERE key_text = 'hold'"),
    ("posting account", "999999 (none)", "UPDATE journal SET credit_account = 999999 WHERE key_text = 'back'"),
    (
        "posting account",
        "accounts bob and bob",
        "UPDATE journal SET credit_account = debit_account WHERE key_text = 'back'",
    ),
    (
        "posting account",
        "two accounts of default, found accounts alice and bob",
        "UPDATE accounts SET tenant = 'other' WHERE name = 'alice'",
    ),
    (
        "posting currency",
        "EUR to emil",
        "UPDATE journal SET credit_account = (SELECT id FROM accounts WHERE name = 'emil') WHERE key_text = 'back'",
    ),
    ("posting amount", "found 0", "UPDATE journal SET amount = 0 WHERE key_text = 'back'"),
    ("posting amount", "found -500", "UPDATE journal SET amount = -amount WHERE key_text = 'back'"),
    (
        "accounts of a row",
        "two accounts, nothing held, found",
        "UPDATE journal SET credit_after = NULL WHERE key_text = 'back'",
    ),
    ("accounts of a row", "after none", "UPDATE journal SET debit_prev = NULL WHERE key_text = 'back'"),
    ("accounts of a row", "held 3", "UPDATE journal SET held = 3 WHERE key_text = 'back'"),
    ("accounts of a row", "two accounts, less held", "UPDATE journal SET held = NULL WHERE key_text = 'capture'"),
    ("accounts of a row", "its debited account, more held", "UPDATE journal SET held = -held WHERE key_text = 'hold'"),
    (
        "accounts of a row",
        "its debited account, more held",
        "UPDATE journal SET credit_prev = 0, credit_after = 0 WHERE key_text = 'hold'",
    ),
    ("accounts of a row", "its debited account, less held", "UPDATE journal SET held = -held WHERE kind = 12"),
    ("accounts of a row", "its debited account, nothing held", "UPDATE journal SET credit_account = 1 WHERE kind = 20"),
    ("accounts of a row", "no account, nothing held", "UPDATE journal SET debit_account = 1 WHERE kind = 21"),
    ("event", "expected event 1, found event 3", "UPDATE journal SET event = 3 WHERE key_text = 'back'"),
    ("event", "expected event 2, found event 4", "UPDATE journal SET event = 4 WHERE status = 2"),
    ("event", "expected event 5, found event 6", "UPDATE journal SET event = 6 WHERE key_text = 'hold'"),
    ("event", "expected no event, found event 3", "UPDATE journal SET event = 3, kind = 15 WHERE key_text = 'back'"),
    ("facts of a transaction", "request none", "UPDATE journal SET request = NULL WHERE key_text = 'back'"),
    ("facts of a transaction", "follows none", "UPDATE journal SET follows = NULL WHERE key_text = 'capture'"),
    ("facts of a transaction", "they stand on the first row", "UPDATE journal SET reference = 'twice' WHERE n = 1"),
    ("facts of a transaction", "body {\"code\"", "UPDATE journal SET body = body - 'message' WHERE status = 2"),
    ("postings without transaction", "found 1 postings, 1 to 1", "DELETE FROM journal WHERE key_text = 'two'"),
    ("postings without transaction", "a first row", "UPDATE journal SET n = 1 WHERE key_text = 'back'"),
    (
        "postings of a transaction",
        "expected 2 postings side by side and alike, found 1 postings, 0 to 0",
        "DELETE FROM journal WHERE n = 1",
    ),
    ("postings of a transaction", "found 2 postings, 0 to 1", "UPDATE journal SET postings = 3 WHERE key_text = 'two'"),
    ("postings of a transaction", "found 1 postings, 0 to 0", "UPDATE journal SET seq = seq + 5 WHERE n = 1"),
    ("postings of a transaction", "found 2 postings, 0 to 1", "UPDATE journal SET event = NULL WHERE n = 1"),
    ("postings of a transaction", "found 2 postings, 0 to 1", "UPDATE journal SET tenant = 'other' WHERE n = 1"),
    (
        "transaction twice",
        "expected one, found first rows",
        "DROP INDEX journal_1_id; UPDATE journal SET id = (SELECT id FROM journal WHERE key_text = 'k0') WHERE key_text = 'back'",
    ),
    (
        "account without balance",
        "carol",
        "DELETE FROM balances WHERE account = (SELECT id FROM accounts WHERE name = 'carol')",
    ),
    (
        "balance",
        "account carol of default: expected 0 (debits 0, credits 0), found 1",
        "UPDATE balances SET credits = credits + 1 WHERE account = (SELECT id FROM accounts WHERE name = 'carol')",
    ),
    (
        "balance",
        "account carol of default: expected 0 (debits 0, credits 0), found 0 (debits 5, credits 5)",
        "UPDATE balances SET credits = credits + 5, debits = debits + 5 WHERE account = (SELECT id FROM accounts WHERE name = 'carol')",
    ),
    ("balance", "account bob", "DELETE FROM journal WHERE key_text = 'back'"),
    (
        "held by rows",
        "account alice of default: expected 501 held, found 500 held",
        "UPDATE journal SET held = held + 1 WHERE key_text = 'hold'",
    ),
    (
        "version",
        "account carol of default: expected 1 rows, found version 2",
        "UPDATE balances SET version = version + 1 WHERE account = (SELECT id FROM accounts WHERE name = 'carol')",
    ),
    (
        "newest row",
        "found newest row 7",
        "UPDATE balances SET last_seq = 7 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')",
    ),
    (
        "currency totals",
        "currency EUR",
        "UPDATE balances SET credits = credits + 1 WHERE account = (SELECT id FROM accounts WHERE name = 'emil')",
    ),
    ("balance after", "account alice", "UPDATE journal SET credit_after = credit_after + 1 WHERE key_text = 'back'"),
    ("balance after", "account bob", "UPDATE journal SET debit_after = debit_after - 1 WHERE key_text = 'back'"),
    ("balance after", "account alice", "UPDATE journal SET debit_after = debit_after - 1 WHERE key_text = 'hold'"),
    ("chain", "account bob", "UPDATE journal SET seq = seq - (20 << 20) + 5 WHERE key_text = 'back'"),
    ("chain", "expected after row", "UPDATE journal SET credit_prev = 0 WHERE key_text = 'back'"),
    ("chain", "account carol", "UPDATE journal SET debit_prev = 7 WHERE kind = 20"),
    (
        "floor",
        "account alice",
        "UPDATE balances SET floor = 100000 WHERE account = (SELECT id FROM accounts WHERE name = 'alice')",
    ),
    (
        "floor",
        "at least 0 available",
        "UPDATE balances SET held = 1 WHERE account = (SELECT id FROM accounts WHERE name = 'carol')",
    ),
    (
        "ceiling",
        "at most 1",
        "UPDATE balances SET ceiling = 1 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')",
    ),
    ("fold", "expected folded up to row", "UPDATE folded SET seq = seq + 1"),
    (
        "quarantine",
        "account carol of default, behind row 7: expected balance 0, found balance 1",
        "INSERT INTO quarantine (account, first_seq, reason, expected, found) SELECT id, 7, 'balance after', 'balance 0', 'balance 1' FROM accounts WHERE name = 'carol'",
    ),
    (
        "guards",
        "account carol of default: expected status 1",
        "UPDATE balances SET ceiling = ceiling + 1 WHERE account = (SELECT id FROM accounts WHERE name = 'carol')",
    ),
    (
        "closed",
        "account bob",
        "UPDATE balances SET status = 3 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')",
    ),
    (
        "held",
        "account bob",
        "UPDATE balances SET held = 1 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')",
    ),
    ("held", "expected 499 held, found 500 held", "UPDATE holds SET amount = amount - 1 WHERE captured > 0"),
    (
        "hold",
        "captured 5, voided 0, of none",
        "INSERT INTO holds SELECT gen_random_uuid(), a.id, b.id, 5, 5, 0, now(), 1 FROM accounts a, accounts b WHERE a.name = 'alice' AND b.name = 'bob'",
    ),
    ("hold", "found none", "DELETE FROM holds WHERE captured > 0"),
    ("hold", "expected captured 300, voided 0", "UPDATE holds SET captured = captured - 1 WHERE captured > 0"),
    ("hold", "expected captured 0, voided 100", "UPDATE holds SET voided = 99 WHERE voided > 0"),
    ("hold", "of 801 from account", "UPDATE holds SET amount = amount + 1 WHERE captured > 0"),
    ("hold", "expected its transaction at row", "UPDATE holds SET seq = seq + 1 WHERE captured > 0"),
    ("hold", "until 2000", "UPDATE holds SET expires_at = '2000-01-01' WHERE captured > 0"),
    (
        "hold",
        "expected captured 300, voided 0, of a transaction",
        "UPDATE journal SET kind = 15 WHERE key_text = 'hold'",
    ),
    ("hold step", "which is not there", "UPDATE journal SET follows = gen_random_uuid() WHERE kind = 12"),
    ("hold step", "captured 300, taken 1 of hold", "UPDATE journal SET held = -1 WHERE key_text = 'capture'"),
    (
        "hold step",
        "captured 300, taken 300 of hold",
        "UPDATE journal SET debit_account = (SELECT id FROM accounts WHERE name = 'carol') WHERE key_text = 'capture'",
    ),
    (
        "refunded",
        "expected 0 of 500, found 1 of 500",
        "INSERT INTO refunded SELECT id, 500, 1, false FROM journal WHERE key_text = 'back'",
    ),
    ("refunded", "expected 0 of 500, found 200 of 500", "UPDATE refunded SET given = 200 WHERE given = 0"),
    ("refunded", "expected 0 of 500, found 0 of 501", "UPDATE refunded SET amount = amount + 1 WHERE given = 0"),
    ("refunded", "found 200 of 200", "UPDATE refunded SET reversed = false WHERE reversed"),
    ("refunded", "found 0 of 500, by a reversal", "UPDATE refunded SET reversed = true WHERE NOT reversed"),
    (
        "refund",
        "expected refunds 200, found refunds 199",
        "UPDATE journal SET body = jsonb_set(body, '{gave}', '\"199\"') WHERE key_text = 'refund'",
    ),
    (
        "refund",
        "expected refunds 200, found refunds nothing",
        "UPDATE journal SET body = NULL WHERE key_text = 'reversal'",
    ),
    ("refund", "of kind 1", "UPDATE journal SET body = '{\"gave\": \"500\"}' WHERE key_text = 'back'"),
    ("refund", "of payment none", "UPDATE journal SET follows = NULL WHERE key_text = 'refund'"),
    (
        "key",
        "expected 2dddfad8-3787-f12f-cd10-fa9792e81fc7",
        "UPDATE journal SET key = gen_random_uuid() WHERE key_text = 'back'",
    ),
    ("key", "found none", "UPDATE journal SET key = NULL WHERE key_text = 'back'"),
    ("key", "transaction", "UPDATE journal SET key_text = 'backwards' WHERE key_text = 'back'"),
    ("key", "expected none", "UPDATE journal SET key_text = NULL WHERE key_text = 'back'"),
    ("key used twice", "expected one transaction, found transactions", key_again!("1 second", "")),
    (
        "key with two effects",
        "key k0 of tenant default, API 1",
        key_again!("23 hours", "UPDATE journal_partitions SET keys = false WHERE number = 1"),
    ),
    ("derived id", "found none", "DELETE FROM derived"),
    ("derived id", "expected at row", "UPDATE derived SET seq = seq + 1"),
    ("derived id", "expected none, found at row 5", "INSERT INTO derived VALUES (gen_random_uuid(), 5)"),
    ("decline", "account bob of default: expected declined at row", "DELETE FROM declines WHERE account = 'bob'"),
    (
        "decline",
        "account carol of default: expected none",
        "INSERT INTO declines SELECT tenant, 'carol', seq FROM declines WHERE account = 'bob'",
    ),
    (
        "exchange",
        "expected kind 7, 2 postings, EUR and USD, found kind 1, 1 postings in USD",
        "UPDATE journal SET body = '{\"exchange\": {\"rate_id\": 1, \"base\": \"EUR\", \"quote\": \"USD\", \"rate\": \"1.25\"}}' WHERE key_text = 'back'",
    ),
    ("exchange rate", "1.250000000000 EUR/USD, found 1.3 EUR/USD", exchange!("400", "1.3")),
    ("exchange rate", "found none EUR/USD", exchange!("400", "a lot")),
    (
        "payment exchanged",
        "found 0 at 1.25 EUR/USD",
        concat!(exchange!("400", "1.25"), "; UPDATE journal SET kind = 16 WHERE kind = 7"),
    ),
    ("exchange amount", "within 1 of 400.0000, found 402", exchange!("402", "1.25")),
    ("saga", "expected 2 facts of a transaction, kind 15, found 3 facts of a transaction, kind 15", saga!("3", "")),
    ("saga", "kind 14, found 2 facts of a transaction, kind 15", saga!("2", "UPDATE sagas SET workflow = 1")),
    (
        "saga",
        "facts of none",
        "INSERT INTO sagas SELECT gen_random_uuid(), 'default', 1, 1, '{}', NULL, NULL, NULL, now(), now(), 1",
    ),
    ("saga", "expected its transaction at row", saga!("2", "UPDATE sagas SET seq = seq + 1")),
    ("saga", "kind 15, found none", "UPDATE journal SET kind = 15 WHERE key_text = 'back'"),
    ("saga fact", "expected its facts at", saga!("2", "UPDATE sagas SET facts[2] = facts[2] + 1")),
    (
        "saga step",
        "found a step of nothing",
        "UPDATE journal SET body = '{\"saga\": \"nothing\"}' WHERE key_text = 'back'",
    ),
    (
        "operator action",
        "account.status of bob of default: expected transaction",
        "INSERT INTO operator_actions VALUES (gen_random_uuid(), 'default', now(), 'key:x', 'account.status', 'bob', '', NULL, NULL, NULL)",
    ),
    (
        "operator action",
        "account.limits of bob of default",
        "INSERT INTO operator_actions SELECT id, tenant, now(), 'key:x', 'account.limits', 'bob', '', NULL, NULL, NULL FROM journal WHERE key_text = 'back'",
    ),
    ("operator action", "found one of nobody", "DELETE FROM operator_actions"),
    ("partition", "expected opened", "UPDATE journal_partitions SET opened_at = NULL WHERE number = 1"),
    ("partition", "partition 1: expected", "UPDATE writers SET rows = rows + 1"),
    ("partition", "to 2000", closed!("'1999-01-01'", "'2000-01-01'", "")),
    (
        "partition",
        "partition 2: expected 1 rows, found 0 rows",
        "UPDATE journal SET seq = seq + (1::bigint << 44) WHERE key_text = 'back'",
    ),
    ("place", "partition 1: expected no batch beyond", "UPDATE writers SET batch = batch - 1"),
    (
        "place",
        "partition 0: expected no keys and no events, found 1 of them",
        "UPDATE journal SET event = 3 WHERE seq = (SELECT min(seq) FROM journal)",
    ),
    (
        "place of an id",
        "found an id of another time",
        closed!(
            "first",
            "last",
            "UPDATE journal SET id = '01000000-0000-7000-8000-000000000000' WHERE key_text = 'back'"
        ),
    ),
    (
        "opening",
        "account dora of default: expected an account in USD, found none",
        "UPDATE accounts SET name = 'dorothea' WHERE name = 'dora'",
    ),
    (
        "opening",
        "expected an account in USD, found one in EUR",
        "UPDATE accounts SET currency = 'EUR' WHERE name = 'dora'",
    ),
    (
        "dead letter",
        "expected an event of default, found none at row 7",
        "INSERT INTO dead_letters (seq, tenant, event, aggregate, body, error, retry_count) VALUES (7, 'default', 1, 'a', '{}', 'too large', 0)",
    ),
    (
        "replay",
        "expected a replay at row 7, found none",
        "INSERT INTO dead_letters (seq, tenant, event, aggregate, body, error, retry_count, replayed_as) \
         SELECT seq, tenant, event, 'a', '{}', 'too large', 0, 7 FROM journal WHERE key_text = 'back'",
    ),
    ("replay", "expected a dead letter, found a replay at row", "UPDATE journal SET kind = 22 WHERE kind = 21"),
];
