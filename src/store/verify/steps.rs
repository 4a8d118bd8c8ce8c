//! The checks as data: each step is a pass over its tables that selects the rows which disagree. None relies on what an
//! index or a constraint guards, and none looks rows of the journal up one by one: what must match is hashed or sorted.

/// One pass over some tables, for several checks.
pub(super) struct Step {
    /// Shown as progress.
    pub name: &'static str,
    /// The checks that its rows may name.
    pub checks: &'static [&'static str],
    /// Selects (check, what, expected, found). It may read `given` once: the kinds without postings, and the shortest
    /// gap between two uses of a key.
    pub bad: &'static str,
}

/// SQL for the 16 bytes that a row's key must be, made of its API, tenant and text: as
/// [`KeyHash::of`](crate::protocol::record::KeyHash::of) makes it.
macro_rules! key_hash {
    () => {
        "substr(sha256('\\x0100000000000000'::bytea || set_byte('\\x00', 0, api) \
           || set_byte('\\x0000000000000000', 0, octet_length(tenant)) || convert_to(tenant, 'UTF8') \
           || set_byte(set_byte('\\x0000000000000000', 0, octet_length(key_text) & 255), 1, octet_length(key_text) >> 8) || convert_to(key_text, 'UTF8')), 1, 16)"
    };
}

/// The same SQL, for the audit of transactions.
pub(in crate::store) const KEY_HASH: &str = key_hash!();

/// A status is 1 for completed, 2 for declined, 3 for a retired key. Kinds are those of
/// [`Kind`](crate::protocol::record::Kind).
pub(super) const STEPS: &[Step] = &[
    // Each row by itself, with the accounts that it names. One row is a debit and a credit of the same amount, so this
    // is all that is left to check of
    // "debits equal credits" per transaction. Comparisons are named first, so that only rows that fail one are put into
    // words.
    Step {
        name: "rows",
        checks: &[
            "transaction status",
            "retired key",
            "declined with postings",
            "kind with postings",
            "transaction without postings",
            "posting account",
            "posting currency",
            "posting amount",
            "accounts of a row",
            "event",
            "facts of a transaction",
        ],
        bad: "SELECT w.broken, format('row %s of transaction %s', n, id), w.expected, w.found \
              FROM (SELECT *, status IN (1, 2, 3) AS status_fits, \
                  status <> 3 OR (is_bare AND key IS NOT NULL AND num_nonnulls(follows, event, body) = 0) AS retired_fits, \
                  status <> 2 OR is_bare AS declined_fits, \
                  status <> 1 OR NOT moves_nothing OR (postings = 0 AND amount IS NULL) AS still_fits, \
                  status <> 1 OR moves_nothing OR (postings > 0 AND amount IS NOT NULL) AS moving_fits, \
                  amount IS NULL OR is_between_two AS accounts_fit, \
                  amount IS NULL OR (debit_currency <> credit_currency) IS NOT TRUE AS currency_fits, \
                  (amount <= 0) IS NOT TRUE AS amount_fits, \
                  status <> 1 OR CASE \
                    WHEN amount IS NOT NULL THEN num_nulls(debit_prev, credit_prev, debit_after, credit_after) = 0 AND CASE WHEN kind = 11 AND n = 0 THEN held < 0 ELSE held IS NULL END \
                    WHEN kind IN (10, 12, 14) THEN is_between_two AND debit_currency = credit_currency AND num_nulls(debit_prev, debit_after) = 0 \
                      AND num_nonnulls(credit_prev, credit_after) = 0 AND CASE kind WHEN 12 THEN held < 0 ELSE held > 0 END \
                    WHEN kind = 20 THEN debit_tenant = tenant AND num_nulls(debit_prev, debit_after) = 0 AND num_nonnulls(credit_account, credit_prev, credit_after, held) = 0 \
                    ELSE is_bare END AS sides_fit, \
                  event IS NULL OR event = due AS event_fits, \
                  CASE WHEN n > 0 THEN num_nonnulls(key, request, follows, key_text, reference, description, metadata, correlation, made_by, made_from, body) = 0 \
                    WHEN status = 2 THEN request IS NOT NULL AND jsonb_typeof(body -> 'code') = 'number' AND jsonb_typeof(body -> 'message') = 'string' AND jsonb_typeof(body -> 'postings') = 'array' \
                    ELSE request IS NOT NULL AND (status <> 1 OR kind NOT IN (11, 12, 13) OR follows IS NOT NULL) END AS facts_fit \
                FROM (SELECT j.*, d.name AS debit_name, d.tenant AS debit_tenant, d.currency AS debit_currency, c.name AS credit_name, c.currency AS credit_currency, \
                    d.id <> c.id AND d.tenant = j.tenant AND c.tenant = j.tenant AS is_between_two, j.kind > 20 OR j.kind = ANY (g.without_postings) AS moves_nothing, \
                    n = 0 AND postings = 0 AND num_nonnulls(debit_account, credit_account, debit_prev, credit_prev, amount, held, debit_after, credit_after) = 0 AS is_bare, \
                    CASE WHEN status = 2 THEN CASE api WHEN 1 THEN 2 ELSE 4 END WHEN j.kind IN (10, 14) THEN 5 WHEN j.kind = 12 THEN 6 WHEN j.kind = 21 THEN 7 WHEN j.kind = 20 THEN 8 \
                      WHEN j.kind = 22 THEN event WHEN j.kind <> 15 THEN CASE api WHEN 1 THEN 1 ELSE 3 END END AS due \
                  FROM journal j LEFT JOIN accounts d ON d.id = j.debit_account LEFT JOIN accounts c ON c.id = j.credit_account CROSS JOIN given g) s) r, \
                LATERAL (VALUES ('transaction status', status_fits, 'status 1, 2 or 3', 'status ' || status), \
                  ('retired key', retired_fits, 'a key and nothing else', format('key %s, kind %s, %s postings', coalesce(key::text, 'none'), kind, postings)), \
                  ('declined with postings', declined_fits, 'no postings, no accounts', format('%s postings, kind %s', postings, kind)), \
                  ('kind with postings', still_fits, 'no postings', format('%s postings, kind %s', postings, kind)), \
                  ('transaction without postings', moving_fits, 'postings', format('%s postings, kind %s', CASE WHEN amount IS NULL THEN 0 ELSE postings END, kind)), \
                  ('posting account', accounts_fit, 'two accounts of ' || tenant, \
                    format('accounts %s and %s', coalesce(debit_name, debit_account || ' (none)'), coalesce(credit_name, credit_account || ' (none)'))), \
                  ('posting currency', currency_fits, 'one currency', format('%s from %s, %s to %s', debit_currency, debit_name, credit_currency, credit_name)), \
                  ('posting amount', amount_fits, 'more than 0', amount::text), \
                  ('accounts of a row', sides_fit, CASE WHEN amount IS NOT NULL THEN 'two accounts' WHEN kind IN (10, 12, 14, 20) THEN 'its debited account' ELSE 'no account' END \
                      || CASE WHEN kind IN (10, 14) THEN ', more held' WHEN kind = 12 OR (kind = 11 AND n = 0) THEN ', less held' ELSE ', nothing held' END, \
                    format('debited %s after %s to %s, credited %s after %s to %s, held %s', coalesce(debit_account::text, 'none'), coalesce(debit_prev::text, 'none'), \
                      coalesce(debit_after::text, 'none'), coalesce(credit_account::text, 'none'), coalesce(credit_prev::text, 'none'), coalesce(credit_after::text, 'none'), coalesce(held::text, 'none'))), \
                  ('event', event_fits, coalesce('event ' || due, 'no event'), format('event %s, kind %s, status %s', event, kind, status)), \
                  ('facts of a transaction', facts_fit, CASE n WHEN 0 THEN 'all that its kind and status need' ELSE 'none: they stand on the first row' END, \
                    format('request %s, follows %s, body %s', coalesce(request::text, 'none'), coalesce(follows::text, 'none'), coalesce(left(body::text, 200), 'none')))) w(broken, fits, expected, found) \
              WHERE (status_fits AND retired_fits AND declined_fits AND still_fits AND moving_fits AND accounts_fit AND currency_fits AND amount_fits AND sides_fit AND event_fits AND facts_fit) IS NOT TRUE \
                AND w.fits IS NOT TRUE",
    },
    // The rows of a transaction stand side by side and say the same of it. A transaction of one row agrees with itself.
    Step {
        name: "transactions",
        checks: &["postings without transaction", "postings of a transaction", "transaction twice"],
        bad: "SELECT CASE WHEN min(n) > 0 THEN 'postings without transaction' ELSE 'postings of a transaction' END, format('transaction %s at row %s', id, min(seq)), \
                CASE WHEN min(n) > 0 THEN 'a first row' ELSE format('%s postings side by side and alike', min(postings)) END, format('%s postings, %s to %s', count(*), min(n), max(n)) \
                FROM journal WHERE n > 0 OR postings > 1 GROUP BY id, seq - n \
                HAVING (min(n) = 0 AND max(n) + 1 = count(*) AND min(postings) = count(*) AND max(postings) = count(*) AND min(kind) = max(kind) AND min(status) = max(status) \
                  AND min(api) = max(api) AND min(tenant) = max(tenant) AND min(created_at) = max(created_at) AND min(event) IS NOT DISTINCT FROM max(event) AND count(event) IN (0, count(*))) IS NOT TRUE \
              UNION ALL SELECT 'transaction twice', 'transaction ' || id, 'one', format('first rows %s and %s', before, seq) \
                FROM (SELECT id, seq, lag(id) OVER w AS id_before, lag(seq) OVER w AS before FROM journal WHERE n = 0 WINDOW w AS (ORDER BY id)) i WHERE id = id_before",
    },
    Step {
        name: "balances",
        checks: &["account without balance", "balance", "held by rows", "version", "newest row"],
        bad: "SELECT w.broken, format('account %s of %s', x.name, x.tenant), w.expected, w.found \
              FROM (SELECT a.name, a.tenant, b.*, coalesce(r.debits, 0) AS r_debits, coalesce(r.credits, 0) AS r_credits, coalesce(r.held, 0) AS r_held, coalesce(r.rows, 0) AS r_rows, \
                    coalesce(r.last, 0) AS r_last \
                  FROM accounts a LEFT JOIN balances_now b ON b.account = a.id \
                    LEFT JOIN (SELECT account, sum(debit) AS debits, sum(credit) AS credits, sum(held) AS held, count(*) AS rows, max(seq) AS last \
                        FROM (SELECT debit_account AS account, amount AS debit, NULL::numeric AS credit, held, seq FROM journal WHERE debit_prev IS NOT NULL \
                              UNION ALL SELECT credit_account, NULL, amount, NULL, seq FROM journal WHERE credit_prev IS NOT NULL) s GROUP BY account) r ON r.account = a.id) x, \
                LATERAL (VALUES ('account without balance', account IS NULL, format('%s (debits %s, credits %s)', r_credits - r_debits, r_debits, r_credits), 'no row'), \
                  ('balance', debits <> r_debits OR credits <> r_credits, format('%s (debits %s, credits %s)', r_credits - r_debits, r_debits, r_credits), \
                    format('%s (debits %s, credits %s)', credits - debits, debits, credits)), \
                  ('held by rows', held <> r_held, r_held || ' held', held || ' held'), ('version', version <> r_rows, r_rows || ' rows', 'version ' || version), \
                  ('newest row', last_seq <> r_last, 'newest row ' || r_last, 'newest row ' || last_seq)) w(broken, is_broken, expected, found) \
              WHERE (debits, credits, held, version, last_seq) IS DISTINCT FROM (r_debits, r_credits, r_held, r_rows, r_last) AND w.is_broken",
    },
    Step {
        name: "currencies",
        checks: &["currency totals"],
        bad: "SELECT 'currency totals', 'currency ' || a.currency, 'credits ' || sum(b.debits), 'credits ' || sum(b.credits) \
              FROM accounts a JOIN balances_now b ON b.account = a.id GROUP BY a.currency HAVING sum(b.debits) <> sum(b.credits)",
    },
    // One wrong row puts all later ones of its account out by the same: only where the difference changes is a finding.
    // Rows of an account that was in
    // quarantine and was released are known to be wrong.
    Step {
        name: "running balances",
        checks: &["balance after", "chain"],
        bad: "SELECT CASE WHEN r.previous <> r.before THEN 'chain' ELSE 'balance after' END, \
              format('account %s at row %s, transaction %s', coalesce(a.name, r.account::text), lpad(r.seq::text, 20, '0'), r.transaction), \
              CASE WHEN r.previous <> r.before THEN 'after row ' || r.before ELSE r.running::text END, CASE WHEN r.previous <> r.before THEN 'after row ' || r.previous ELSE r.balance_after::text END \
              FROM (SELECT *, lag(running - balance_after, 1, 0) OVER (PARTITION BY account ORDER BY seq) AS off_before FROM \
                     (SELECT account, seq, transaction, balance_after, previous, lag(seq, 1, 0::bigint) OVER (PARTITION BY account ORDER BY seq) AS before, \
                        sum(moved) OVER (PARTITION BY account ORDER BY seq ROWS UNBOUNDED PRECEDING) AS running FROM account_rows) e) r \
                LEFT JOIN accounts a ON a.id = r.account WHERE (r.previous <> r.before OR (r.running <> r.balance_after AND r.running - r.balance_after <> r.off_before)) \
                  AND NOT EXISTS (SELECT FROM quarantine q WHERE q.account = r.account AND r.seq > q.first_seq AND r.seq <= q.last_seq)",
    },
    Step {
        name: "limits",
        checks: &["floor", "ceiling", "closed"],
        bad: "SELECT 'floor', format('account %s of %s', a.name, a.tenant), 'at least ' || least(b.floor, b.floor_from) || ' available', b.credits - b.debits - b.held || ' available' \
                FROM accounts a JOIN balances_now b ON b.account = a.id WHERE b.credits - b.debits - b.held < least(b.floor, b.floor_from) \
              UNION ALL SELECT 'ceiling', format('account %s of %s', a.name, a.tenant), 'at most ' || greatest(b.ceiling, b.ceiling_from), (b.credits - b.debits)::text \
                FROM accounts a JOIN balances_now b ON b.account = a.id WHERE b.credits - b.debits > greatest(b.ceiling, b.ceiling_from) \
              UNION ALL SELECT 'closed', format('account %s of %s', a.name, a.tenant), '0, 0 held', format('%s, %s held', b.credits - b.debits, b.held) \
                FROM accounts a JOIN balances_now b ON b.account = a.id WHERE b.status = 3 AND (b.credits <> b.debits OR b.held <> 0)",
    },
    // The fold stands within the journal, and accounts in quarantine are findings until they are released. Status,
    // floor and ceiling are those of the last change.
    Step {
        name: "fold",
        checks: &["fold", "quarantine", "guards"],
        bad: "SELECT 'fold', 'balances', 'folded up to row ' || t.tip || ' at most', 'folded up to row ' || f.seq \
                FROM folded f, (SELECT greatest(journal_tip(), (1::bigint << 44) - 1) AS tip) t WHERE f.seq > t.tip \
              UNION ALL SELECT 'quarantine', format('account %s of %s, behind row %s', coalesce(a.name, q.account::text), coalesce(a.tenant, 'nobody'), q.first_seq), q.expected, q.found \
                FROM quarantine q LEFT JOIN accounts a ON a.id = q.account WHERE q.released_at IS NULL \
              UNION ALL SELECT 'guards', format('account %s of %s', a.name, a.tenant), format('status %s, floor %s, ceiling %s', g.set ->> 'status', coalesce(g.set ->> 'floor', 'none'), coalesce(g.set ->> 'ceiling', 'none')), \
                  format('status %s, floor %s, ceiling %s', b.status, coalesce(b.floor::text, 'none'), coalesce(b.ceiling::text, 'none')) \
                FROM (SELECT DISTINCT ON (debit_account) debit_account AS account, body -> 'set' AS set FROM journal WHERE kind = 20 AND status = 1 AND n = 0 ORDER BY debit_account, seq DESC) g \
                  JOIN balances_now b ON b.account = g.account JOIN accounts a ON a.id = b.account \
                WHERE (b.status::text, b.floor::text, b.ceiling::text) IS DISTINCT FROM (g.set ->> 'status', g.set ->> 'floor', g.set ->> 'ceiling')",
    },
    // What was taken from a hold is what the captures and voids that follow it took: their postings, and what else is
    // no longer held.
    Step {
        name: "holds",
        checks: &["held", "hold", "hold step"],
        bad: "WITH moves AS MATERIALIZED (SELECT * FROM journal WHERE kind IN (10, 11, 12, 14) AND status = 1), \
                steps AS (SELECT id, (array_agg(follows) FILTER (WHERE n = 0))[1] AS hold, max(debit_account) FILTER (WHERE n = 0) AS debit_account, max(credit_account) FILTER (WHERE n = 0) AS credit_account, \
                  coalesce(sum(amount), 0) AS captured, -coalesce(sum(held), 0) AS taken FROM moves WHERE kind IN (11, 12) GROUP BY id) \
              SELECT 'held', format('account %s of %s', a.name, a.tenant), coalesce(h.open, 0) || ' held', b.held || ' held' \
                FROM accounts a JOIN balances_now b ON b.account = a.id \
                  LEFT JOIN (SELECT debit_account, sum(amount - captured - voided) AS open FROM holds GROUP BY debit_account) h ON h.debit_account = a.id WHERE b.held <> coalesce(h.open, 0) \
              UNION ALL SELECT 'hold', 'hold ' || coalesce(h.id, t.id), format('captured %s, voided %s, of %s', coalesce(s.captured, 0), coalesce(s.voided, 0), \
                    CASE WHEN t.id IS NULL THEN 'a transaction' ELSE format('%s from account %s to %s until %s', t.held, t.debit_account, t.credit_account, t.until) END), \
                  CASE WHEN h.id IS NULL THEN 'none' ELSE format('captured %s, voided %s, of %s', h.captured, h.voided, \
                    CASE WHEN t.id IS NULL THEN 'none' ELSE format('%s from account %s to %s until %s', h.amount, h.debit_account, h.credit_account, h.until) END) END \
                FROM (SELECT *, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"') AS until FROM holds) h \
                  FULL JOIN (SELECT *, body ->> 'expires_at' AS until FROM moves WHERE kind IN (10, 14)) t ON t.id = h.id \
                  LEFT JOIN (SELECT hold, sum(captured) AS captured, sum(taken - captured) AS voided FROM steps GROUP BY hold) s ON s.hold = h.id \
                WHERE (h.amount, h.debit_account, h.credit_account, h.until, h.captured, h.voided) \
                  IS DISTINCT FROM (t.held, t.debit_account, t.credit_account, t.until, coalesce(s.captured, 0), coalesce(s.voided, 0)) \
              UNION ALL SELECT 'hold step', 'transaction ' || s.id, 'a hold of its accounts and no more captured than taken', \
                  format('captured %s, taken %s of hold %s, %s', s.captured, s.taken, coalesce(s.hold::text, 'none'), CASE WHEN h.id IS NULL THEN 'which is not there' ELSE 'from ' || h.debit_account END) \
                FROM steps s LEFT JOIN holds h ON h.id = s.hold WHERE (h.debit_account = s.debit_account AND h.credit_account = s.credit_account AND s.captured <= s.taken) IS NOT TRUE",
    },
    // A refund or reversal counts unless it was reversed itself, which is always as a whole.
    Step {
        name: "refunds",
        checks: &["refunded", "refund"],
        bad: "WITH givers AS MATERIALIZED (SELECT id, min(seq) AS seq, min(kind) AS kind, (array_agg(follows) FILTER (WHERE n = 0))[1] AS payment, coalesce(sum(amount), 0) AS posted, \
                  max(CASE WHEN body ->> 'gave' ~ '^[0-9]{1,28}$' THEN (body ->> 'gave')::numeric END) AS gave \
                FROM journal WHERE status = 1 AND (kind IN (5, 13) OR body ? 'gave') GROUP BY id) \
              SELECT 'refunded', 'payment ' || r.payment, format('%s of %s%s', coalesce(g.given, 0), coalesce(p.amount, 0), CASE WHEN g.reversed THEN ', by a reversal' END), \
                  format('%s of %s%s', r.given, r.amount, CASE WHEN r.reversed THEN ', by a reversal' END) \
                FROM refunded r \
                  LEFT JOIN (SELECT s.payment, sum(s.gave) FILTER (WHERE coalesce(u.given, 0) = 0) AS given, (array_agg(s.kind ORDER BY s.seq DESC))[1] = 13 AS reversed \
                      FROM givers s LEFT JOIN refunded u ON u.payment = s.id GROUP BY s.payment) g ON g.payment = r.payment \
                  LEFT JOIN (SELECT id, amount FROM journal WHERE n = 0 AND status = 1) p ON p.id = r.payment \
                WHERE (r.given = coalesce(g.given, 0) AND r.amount = p.amount AND r.given <= r.amount AND r.reversed = coalesce(g.reversed, false)) IS NOT TRUE \
              UNION ALL SELECT 'refund', 'transaction ' || s.id, 'refunds ' || CASE s.kind WHEN 13 THEN coalesce(f.amount, 0) ELSE s.posted END, \
                  format('refunds %s of payment %s, of kind %s', coalesce(s.gave::text, 'nothing'), coalesce(s.payment::text, 'none'), s.kind) \
                FROM givers s LEFT JOIN refunded f ON f.payment = s.payment \
                WHERE (s.kind IN (5, 13) AND s.gave = CASE s.kind WHEN 5 THEN s.posted ELSE f.amount END AND f.payment IS NOT NULL) IS NOT TRUE \
                  AND NOT (s.kind = 5 AND s.payment IS NULL AND s.gave IS NULL)",
    },
    // Where keys are remembered, none is there twice. A forgotten key may be used again: only uses closer than the
    // retention are two effects of one key.
    Step {
        name: "keys",
        checks: &["key", "key used twice", "key with two effects"],
        bad: concat!(
            "WITH uses AS MATERIALIZED (SELECT j.* FROM journal j JOIN (SELECT DISTINCT key FROM (SELECT key, lag(key) OVER (ORDER BY key) AS before FROM journal WHERE key IS NOT NULL) i WHERE key = before) k ON k.key = j.key) \
             SELECT 'key', 'transaction ' || id, CASE WHEN seq >> 44 = 0 OR hash IS NULL THEN 'none' ELSE encode(hash, 'hex')::uuid::text END, coalesce(key::text, 'none') \
               FROM (SELECT id, seq, key, key_text, status, ",
            key_hash!(),
            " AS hash FROM journal WHERE n = 0) k \
               WHERE CASE WHEN seq >> 44 = 0 THEN key IS NOT NULL WHEN key IS NULL THEN key_text IS NOT NULL AND status <> 2 WHEN key_text IS NULL THEN status <> 3 ELSE uuid_send(key) <> hash END \
             UNION ALL SELECT 'key used twice', 'key ' || u.key, 'one transaction', 'transactions ' || string_agg(u.id::text, ' and ' ORDER BY u.seq) \
               FROM uses u JOIN journal_partitions p ON p.number = u.seq >> 44 WHERE p.keys GROUP BY u.key HAVING count(*) > 1 \
             UNION ALL SELECT 'key with two effects', format('key %s of tenant %s, API %s', u.key_text, u.tenant, u.api), 'transaction ' || u.earlier, 'transaction ' || u.id || ' as well' \
               FROM (SELECT *, lag(id) OVER w AS earlier, created_at - lag(created_at) OVER w AS gap FROM uses WHERE status = 1 WINDOW w AS (PARTITION BY key ORDER BY created_at, seq)) u \
                 CROSS JOIN given g WHERE u.gap < g.key_gap"
        ),
    },
    Step {
        name: "derived ids",
        checks: &["derived id"],
        bad: "SELECT 'derived id', 'transaction ' || coalesce(j.id, d.id), coalesce('at row ' || j.seq, 'none'), coalesce('at row ' || d.seq, 'none') \
              FROM (SELECT id, seq FROM journal WHERE n = 0 AND get_byte(uuid_send(id), 6) >> 4 = 8) j FULL JOIN derived d ON d.id = j.id WHERE j.seq IS DISTINCT FROM d.seq",
    },
    // Each account that a declined transaction names lists it.
    Step {
        name: "declines",
        checks: &["decline"],
        bad: "SELECT 'decline', format('account %s of %s', coalesce(j.account, d.account), coalesce(j.tenant, d.tenant)), coalesce('declined at row ' || j.seq, 'none'), coalesce('declined at row ' || d.seq, 'none') \
              FROM (SELECT DISTINCT j.tenant, a.account, j.seq FROM journal j, jsonb_array_elements(CASE jsonb_typeof(j.body -> 'postings') WHEN 'array' THEN j.body -> 'postings' END) p(posting), \
                    LATERAL (VALUES (p.posting ->> 'debit'), (p.posting ->> 'credit')) a(account) WHERE j.status = 2 AND j.n = 0 AND a.account IS NOT NULL) j \
                FULL JOIN declines d ON d.tenant = j.tenant AND d.account = j.account AND d.seq = j.seq WHERE j.seq IS NULL OR d.seq IS NULL",
    },
    // An exchange is one transaction of two postings: what leaves in one currency arrives in the other at the pinned
    // rate, one of the two rounded by less than one of its units.
    Step {
        name: "exchanges",
        checks: &["exchange", "exchange rate", "exchange amount"],
        bad: "WITH pinned AS MATERIALIZED (SELECT id, seq, kind, tenant, CASE WHEN body #>> '{exchange,rate_id}' ~ '^[0-9]{1,18}$' THEN (body #>> '{exchange,rate_id}')::bigint END AS rate_id, \
                  CASE WHEN body #>> '{exchange,rate}' ~ '^[0-9]{1,16}([.][0-9]{1,12})?$' THEN (body #>> '{exchange,rate}')::numeric END AS rate, \
                  body #>> '{exchange,base}' AS base, body #>> '{exchange,quote}' AS quote \
                FROM journal WHERE n = 0 AND status = 1 AND body ? 'exchange') \
              SELECT w.broken, 'transaction ' || e.id, w.expected, w.found \
              FROM (SELECT x.*, r.rate AS quoted, r.base AS rate_base, r.quote AS rate_quote, p.n, p.currencies, p.leaves, p.arrives, p.due, \
                    (x.kind = 7 AND p.n = 2 AND p.currencies = ARRAY[least(x.base, x.quote), greatest(x.base, x.quote)]) IS TRUE AS is_exchange, \
                    (x.rate = r.rate AND x.base = r.base AND x.quote = r.quote AND x.tenant = r.tenant) IS TRUE AS is_as_quoted \
                  FROM pinned x LEFT JOIN rates r ON r.id = x.rate_id \
                    LEFT JOIN (SELECT s.*, CASE WHEN s.gives = s.base THEN s.leaves * s.rate ELSE s.leaves / s.rate END * power(10::numeric, kt.exponent - kg.exponent) AS due \
                        FROM (SELECT x.id, x.base, x.rate, count(*) AS n, array_agg(DISTINCT a.currency ORDER BY a.currency) AS currencies, \
                            (array_agg(j.amount ORDER BY j.n))[1] AS leaves, (array_agg(a.currency ORDER BY j.n))[1] AS gives, \
                            (array_agg(j.amount ORDER BY j.n))[2] AS arrives, (array_agg(a.currency ORDER BY j.n))[2] AS takes \
                          FROM pinned x JOIN journal j ON j.seq - j.n = x.seq AND j.id = x.id AND j.amount IS NOT NULL JOIN accounts a ON a.id = j.debit_account GROUP BY x.id, x.base, x.rate) s \
                          LEFT JOIN currencies kg ON kg.code = s.gives LEFT JOIN currencies kt ON kt.code = s.takes) p ON p.id = x.id) e, \
                LATERAL (VALUES ('exchange', is_exchange, format('kind 7, 2 postings, %s and %s', base, quote), \
                    format('kind %s, %s postings in %s', kind, coalesce(n, 0), coalesce(array_to_string(currencies, ' and '), 'no currency'))), \
                  ('exchange rate', is_as_quoted OR NOT is_exchange, format('rate %s: %s %s/%s', rate_id, coalesce(quoted::text, 'none'), rate_base, rate_quote), \
                    format('%s %s/%s', coalesce(rate::text, 'none'), base, quote)), \
                  ('exchange amount', abs(due - arrives) < greatest(1, due / nullif(leaves, 0)) OR NOT is_exchange OR NOT is_as_quoted, 'within 1 of ' || trunc(due, 4), arrives::text)) w(broken, fits, expected, found) \
              WHERE w.fits IS NOT TRUE",
    },
    // A payout and a card top-up each begin a saga.
    Step {
        name: "sagas",
        checks: &["saga", "saga fact", "saga step"],
        bad: "WITH parts AS MATERIALIZED (SELECT seq, id, tenant, kind, status, body ->> 'saga' AS saga, coalesce(jsonb_array_length(body -> 'facts'), 0) AS facts \
                FROM journal WHERE n = 0 AND (kind IN (14, 15) OR body ? 'saga')), \
                told AS MATERIALIZED (SELECT p.saga, array_agg(p.seq ORDER BY p.seq) AS facts FROM parts p, generate_series(1, p.facts) GROUP BY p.saga) \
              SELECT 'saga', 'saga ' || coalesce(s.id, t.id), format('%s facts of a transaction, kind %s', coalesce(cardinality(e.facts), 0), CASE coalesce(s.workflow, t.kind - 13) WHEN 1 THEN 14 ELSE 15 END), \
                  CASE WHEN s.id IS NULL THEN 'none' ELSE format('%s facts of %s', cardinality(s.facts), CASE WHEN t.id IS NULL THEN 'none' ELSE 'a transaction, kind ' || t.kind END) END \
                FROM sagas s FULL JOIN (SELECT * FROM parts WHERE kind IN (14, 15) AND status = 1) t ON t.id = s.id AND t.tenant = s.tenant \
                  LEFT JOIN told e ON e.saga = s.id::text \
                WHERE (cardinality(s.facts) = coalesce(cardinality(e.facts), 0) AND t.kind = CASE s.workflow WHEN 1 THEN 14 ELSE 15 END) IS NOT TRUE \
              UNION ALL SELECT 'saga fact', 'saga ' || s.id, 'its facts at ' || array_to_string(e.facts, ' '), 'facts at ' || array_to_string(s.facts, ' ') \
                FROM told e JOIN sagas s ON s.id::text = e.saga WHERE e.facts <> s.facts AND cardinality(e.facts) = cardinality(s.facts) \
              UNION ALL SELECT 'saga step', 'transaction ' || t.id, 'a step of a saga', 'a step of ' || t.saga FROM parts t LEFT JOIN sagas s ON s.id::text = t.saga AND s.tenant = t.tenant \
                WHERE t.saga IS NOT NULL AND s.id IS NULL",
    },
    Step {
        name: "operators' actions",
        checks: &["operator action"],
        bad: "SELECT 'operator action', format('%s of %s of %s', coalesce(a.action, 'change'), coalesce(a.subject, 'an account'), coalesce(a.tenant, t.tenant)), 'transaction ' || coalesce(a.id, t.id), \
                CASE WHEN a.id IS NULL THEN 'one of nobody' WHEN t.id IS NULL THEN 'none' ELSE 'one of ' || t.tenant END \
              FROM (SELECT * FROM operator_actions WHERE action IN ('account.status', 'account.limits', 'account.change')) a \
                FULL JOIN (SELECT id, tenant FROM journal WHERE kind = 20 AND status = 1 AND n = 0) t ON t.id = a.id WHERE a.tenant IS DISTINCT FROM t.tenant",
    },
    // Readers look only into the partitions that are listed, and not beyond the last batch. Ids find their partition by
    // the time at which they were drawn.
    Step {
        name: "partitions",
        checks: &["partition", "place", "place of an id"],
        bad: "WITH found AS MATERIALIZED (SELECT seq >> 44 AS number, count(*) AS rows, max(seq) >> 20 AS last_batch, min(created_at) AS first_at, max(created_at) AS last_at, \
                  count(key) + count(event) AS told FROM journal GROUP BY 1), \
                written AS (SELECT coalesce(max(batch), 16777215) AS batch, coalesce(max(rows), 0) AS rows FROM writers) \
              SELECT w.broken, 'partition ' || x.number, w.expected, w.found \
              FROM (SELECT coalesce(p.number, f.number) AS number, p.opened_at, p.first_at, p.last_at, f.first_at AS f_first_at, f.last_at AS f_last_at, coalesce(f.rows, 0) AS f_rows, \
                    coalesce(f.last_batch, 0) AS f_last_batch, coalesce(f.told, 0) AS told, CASE WHEN p.closed_at IS NOT NULL THEN p.last_batch ELSE w.batch END AS last_batch, \
                    CASE WHEN p.closed_at IS NOT NULL THEN p.rows WHEN p.number = w.batch >> 24 THEN w.rows ELSE 0 END AS rows \
                  FROM found f FULL JOIN journal_partitions p ON p.number = f.number CROSS JOIN written w) x, \
                LATERAL (VALUES ('partition', f_rows = 0 OR opened_at IS NOT NULL, 'opened', f_rows || ' rows, and never opened'), \
                  ('partition', number = 0 OR f_rows = rows, f_rows || ' rows', coalesce(rows::text, 'no') || ' rows'), \
                  ('partition', f_rows = 0 OR first_at IS NULL OR (first_at <= f_first_at AND last_at >= f_last_at), format('from %s to %s', f_first_at, f_last_at), format('from %s to %s', first_at, last_at)), \
                  ('place', number = 0 OR f_last_batch <= last_batch, 'no batch beyond ' || coalesce(last_batch::text, 'none'), 'batch ' || f_last_batch), \
                  ('place', number > 0 OR told = 0, 'no keys and no events', told || ' of them')) w(broken, fits, expected, found) WHERE w.fits IS NOT TRUE \
              UNION ALL SELECT 'place of an id', 'transaction ' || j.id, format('an id of partition %s, drawn from %s to %s', p.number, p.first_at, p.last_at), 'an id of another time' \
                FROM journal j JOIN (SELECT *, (lpad(to_hex(ceil(extract(epoch FROM first_at - interval '1 minute') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid AS low, \
                    (lpad(to_hex(floor(extract(epoch FROM last_at + interval '1 minute') * 1000)::bigint), 12, '0') || repeat('f', 20))::uuid AS high \
                  FROM journal_partitions WHERE isfinite(first_at)) p ON p.number = j.seq >> 44 \
                WHERE j.n = 0 AND (j.id < p.low OR j.id > p.high) AND get_byte(uuid_send(j.id), 6) >> 4 <> 8",
    },
    // What is in the journal but is no transaction: openings of accounts, and replayed events.
    Step {
        name: "openings and replays",
        checks: &["opening", "dead letter", "replay"],
        bad: "WITH others AS MATERIALIZED (SELECT seq, id, tenant, kind, body ->> 'name' AS name, body ->> 'currency' AS currency FROM journal WHERE kind > 20 AND n = 0) \
              SELECT 'opening', format('account %s of %s', o.name, o.tenant), 'an account in ' || coalesce(o.currency, 'no currency'), coalesce('one in ' || a.currency, 'none') \
                FROM others o LEFT JOIN accounts a ON a.tenant = o.tenant AND a.name = o.name WHERE o.kind = 21 AND (a.currency = o.currency) IS NOT TRUE \
              UNION ALL SELECT 'dead letter', 'dead letter ' || d.id, 'an event of ' || d.tenant, CASE WHEN j.seq IS NULL THEN 'none' ELSE format('event %s of %s', coalesce(j.event::text, 'none'), j.tenant) END || ' at row ' || d.seq \
                FROM dead_letters d LEFT JOIN journal j ON j.seq = d.seq AND j.n = 0 WHERE (j.event IS NOT NULL AND j.tenant = d.tenant) IS NOT TRUE \
              UNION ALL SELECT 'replay', coalesce('dead letter ' || d.id, 'transaction ' || o.id), coalesce('a replay at row ' || d.replayed_as, 'a dead letter'), coalesce('a replay at row ' || o.seq, 'none') \
                FROM (SELECT * FROM others WHERE kind = 22) o FULL JOIN (SELECT * FROM dead_letters WHERE replayed_as IS NOT NULL) d ON d.replayed_as = o.seq WHERE o.seq IS NULL OR d.id IS NULL",
    },
];
