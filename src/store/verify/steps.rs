//! What is compared, as data: each step is one pass over its tables that selects the rows which disagree.

/// One pass.
pub(super) struct Step {
    /// What progress calls it.
    pub name: &'static str,
    /// The checks that its rows may name.
    pub checks: &'static [&'static str],
    /// Selects (check, what, expected, found). May read `given`: the kinds without postings and the shortest gap between two uses of a key.
    pub bad: &'static str,
}

/// Statuses: a transaction is completed (1) or declined (2); a key may be retired (3).
pub(super) const STEPS: &[Step] = &[
    // One row is a debit and a credit of the same amount, so what is left of "debits equal credits" per transaction is this.
    Step {
        name: "postings",
        checks: &["posting account", "posting currency", "posting amount"],
        bad: "SELECT CASE WHEN d.id IS NULL OR c.id IS NULL OR d.id = c.id THEN 'posting account' WHEN d.currency <> c.currency THEN 'posting currency' ELSE 'posting amount' END, \
              format('posting %s of transaction %s', p.n, p.transaction), \
              CASE WHEN d.id IS NULL OR c.id IS NULL OR d.id = c.id THEN 'two accounts' WHEN d.currency <> c.currency THEN 'one currency' ELSE 'more than 0' END, \
              CASE WHEN d.id IS NULL OR c.id IS NULL OR d.id = c.id THEN format('accounts %s and %s', coalesce(d.name, p.debit_account || ' (none)'), coalesce(c.name, p.credit_account || ' (none)')) \
                   WHEN d.currency <> c.currency THEN format('%s from %s, %s to %s', d.currency, d.name, c.currency, c.name) ELSE p.amount::text END \
              FROM postings p LEFT JOIN accounts d ON d.id = p.debit_account LEFT JOIN accounts c ON c.id = p.credit_account \
              WHERE d.id IS NULL OR c.id IS NULL OR d.id = c.id OR d.currency <> c.currency OR p.amount <= 0",
    },
    Step {
        name: "transactions",
        checks: &[
            "transaction status",
            "transaction without postings",
            "postings without transaction",
            "declined with postings",
            "kind with postings",
            "postings of a transaction",
        ],
        bad: "SELECT CASE WHEN t.id IS NULL THEN 'postings without transaction' WHEN t.status NOT IN (1, 2) THEN 'transaction status' \
                          WHEN t.status = 2 THEN 'declined with postings' WHEN t.status = 1 AND (p.transaction IS NULL) = (t.kind = ANY (g.without_postings)) THEN 'postings of a transaction' \
                          WHEN p.transaction IS NULL THEN 'transaction without postings' ELSE 'kind with postings' END, \
              'transaction ' || coalesce(t.id, p.transaction), \
              CASE WHEN t.id IS NULL THEN 'a transaction' WHEN t.status NOT IN (1, 2) THEN 'status 1 or 2' WHEN t.status = 1 AND (p.transaction IS NULL) = (t.kind = ANY (g.without_postings)) THEN format('postings %s to %s', p.first, p.last) \
                   WHEN t.status = 2 OR p.transaction IS NOT NULL THEN 'no postings' ELSE 'postings' END, \
              CASE WHEN t.status = 1 AND (p.transaction IS NULL) = (t.kind = ANY (g.without_postings)) THEN format('%s to %s', t.first_seq, t.last_seq) \
                   WHEN t.id IS NULL OR t.status IN (1, 2) THEN coalesce(p.n, 0) || ' postings' || coalesce(', kind ' || t.kind, '') ELSE 'status ' || t.status END \
              FROM transactions t FULL JOIN (SELECT transaction, count(*) AS n, min(seq) AS first, max(seq) AS last FROM postings GROUP BY transaction) p ON p.transaction = t.id CROSS JOIN given g \
              WHERE t.id IS NULL OR t.status NOT IN (1, 2) OR (t.status = 2 AND p.transaction IS NOT NULL) \
                 OR (t.status = 1 AND (p.transaction IS NULL) <> (t.kind = ANY (g.without_postings))) \
                 OR t.first_seq IS DISTINCT FROM p.first OR t.last_seq IS DISTINCT FROM p.last",
    },
    Step {
        name: "balances",
        checks: &["account without balance", "balance"],
        bad: "SELECT CASE WHEN b.account IS NULL THEN 'account without balance' ELSE 'balance' END, format('account %s of %s', a.name, a.tenant), \
              format('%s (debits %s, credits %s)', coalesce(c.sum, 0) - coalesce(d.sum, 0), coalesce(d.sum, 0), coalesce(c.sum, 0)), \
              CASE WHEN b.account IS NULL THEN 'no row' ELSE format('%s (debits %s, credits %s)', b.credits - b.debits, b.debits, b.credits) END \
              FROM accounts a LEFT JOIN balances b ON b.account = a.id \
                LEFT JOIN (SELECT debit_account, sum(amount) FROM postings GROUP BY debit_account) d ON d.debit_account = a.id \
                LEFT JOIN (SELECT credit_account, sum(amount) FROM postings GROUP BY credit_account) c ON c.credit_account = a.id \
              WHERE b.account IS NULL OR b.debits <> coalesce(d.sum, 0) OR b.credits <> coalesce(c.sum, 0)",
    },
    Step {
        name: "currencies",
        checks: &["currency totals"],
        bad: "SELECT 'currency totals', 'currency ' || a.currency, 'credits ' || sum(b.debits), 'credits ' || sum(b.credits) \
              FROM accounts a JOIN balances b ON b.account = a.id GROUP BY a.currency HAVING sum(b.debits) <> sum(b.credits)",
    },
    // One wrong row puts all later ones of its account out by the same: only where the difference changes is a finding.
    Step {
        name: "running balances",
        checks: &["balance after", "chain"],
        bad: "SELECT CASE WHEN r.previous <> r.before THEN 'chain' ELSE 'balance after' END, \
              format('account %s at posting %s, transaction %s', coalesce(a.name, r.account::text), lpad(r.seq::text, 20, '0'), r.transaction), \
              CASE WHEN r.previous <> r.before THEN 'after posting ' || r.before ELSE r.running::text END, CASE WHEN r.previous <> r.before THEN 'after posting ' || r.previous ELSE r.balance_after::text END \
              FROM (SELECT *, lag(running - balance_after, 1, 0) OVER (PARTITION BY account ORDER BY seq) AS off_before FROM \
                     (SELECT account, seq, transaction, balance_after, previous, lag(seq, 1, 0::bigint) OVER (PARTITION BY account ORDER BY seq) AS before, \
                        sum(amount) OVER (PARTITION BY account ORDER BY seq ROWS UNBOUNDED PRECEDING) AS running FROM ledger_entries) e) r \
                LEFT JOIN accounts a ON a.id = r.account WHERE r.previous <> r.before OR (r.running <> r.balance_after AND r.running - r.balance_after <> r.off_before) \
              UNION ALL SELECT 'chain', format('account %s of %s', a.name, a.tenant), 'newest posting ' || coalesce(e.last, 0), 'newest posting ' || b.last_seq \
                FROM accounts a JOIN balances b ON b.account = a.id LEFT JOIN (SELECT account, max(seq) AS last FROM ledger_entries GROUP BY account) e ON e.account = a.id \
                WHERE b.last_seq <> coalesce(e.last, 0)",
    },
    Step {
        name: "limits",
        checks: &["floor", "ceiling", "closed"],
        bad: "SELECT 'floor', format('account %s of %s', a.name, a.tenant), 'at least ' || least(b.floor, b.floor_from) || ' available', b.credits - b.debits - b.held || ' available' \
                FROM accounts a JOIN balances b ON b.account = a.id WHERE b.credits - b.debits - b.held < least(b.floor, b.floor_from) \
              UNION ALL SELECT 'ceiling', format('account %s of %s', a.name, a.tenant), 'at most ' || greatest(b.ceiling, b.ceiling_from), (b.credits - b.debits)::text \
                FROM accounts a JOIN balances b ON b.account = a.id WHERE b.credits - b.debits > greatest(b.ceiling, b.ceiling_from) \
              UNION ALL SELECT 'closed', format('account %s of %s', a.name, a.tenant), '0, 0 held', format('%s, %s held', b.credits - b.debits, b.held) \
                FROM accounts a JOIN balances b ON b.account = a.id WHERE b.status = 3 AND (b.credits <> b.debits OR b.held <> 0)",
    },
    Step {
        name: "holds",
        checks: &["held", "hold", "hold step"],
        bad: "SELECT 'held', format('account %s of %s', a.name, a.tenant), coalesce(h.open, 0) || ' held', b.held || ' held' \
                FROM accounts a JOIN balances b ON b.account = a.id \
                  LEFT JOIN (SELECT debit_account, sum(amount - captured - voided) AS open FROM holds GROUP BY debit_account) h ON h.debit_account = a.id WHERE b.held <> coalesce(h.open, 0) \
              UNION ALL SELECT 'hold', 'hold ' || h.id, format('captured %s, voided %s, of a transaction', coalesce(s.captured, 0), coalesce(s.voided, 0)), \
                  format('captured %s, voided %s, of %s', h.captured, h.voided, coalesce('kind ' || t.kind, 'none')) \
                FROM holds h LEFT JOIN (SELECT hold, sum(captured) AS captured, sum(voided) AS voided FROM hold_steps GROUP BY hold) s ON s.hold = h.id LEFT JOIN transactions t ON t.id = h.id \
                WHERE t.id IS NULL OR t.kind NOT IN (10, 14) OR h.captured <> coalesce(s.captured, 0) OR h.voided <> coalesce(s.voided, 0) \
              UNION ALL SELECT 'hold step', 'transaction ' || s.transaction, 'captured ' || coalesce(p.sum, 0), format('captured %s of hold %s, of %s', s.captured, s.hold, coalesce('kind ' || t.kind, 'none')) \
                FROM hold_steps s LEFT JOIN transactions t ON t.id = s.transaction LEFT JOIN holds h ON h.id = s.hold LEFT JOIN (SELECT transaction, sum(amount) FROM postings GROUP BY transaction) p ON p.transaction = s.transaction \
                WHERE t.id IS NULL OR h.id IS NULL OR t.kind NOT IN (11, 12) OR s.captured <> coalesce(p.sum, 0)",
    },
    Step {
        name: "refunds",
        checks: &["refunded", "refund"],
        bad: "SELECT 'refunded', 'payment ' || r.payment, format('%s of %s', coalesce(g.sum, 0), coalesce(p.sum, 0)), format('%s of %s', r.given, r.amount) \
                FROM refunded r LEFT JOIN (SELECT s.payment, sum(s.amount) FROM refunds s LEFT JOIN refunded u ON u.payment = s.refund WHERE coalesce(u.given, 0) = 0 GROUP BY s.payment) g ON g.payment = r.payment \
                  LEFT JOIN (SELECT transaction, amount AS sum FROM postings WHERE n = 0) p ON p.transaction = r.payment \
                WHERE r.given <> coalesce(g.sum, 0) OR r.amount <> coalesce(p.sum, 0) OR r.given > r.amount \
              UNION ALL SELECT 'refund', 'transaction ' || r.refund, 'refunds ' || coalesce(p.sum, 0), format('refunds %s of payment %s, of %s', r.amount, r.payment, coalesce('kind ' || t.kind, 'none')) \
                FROM refunds r LEFT JOIN transactions t ON t.id = r.refund LEFT JOIN refunded f ON f.payment = r.payment \
                  LEFT JOIN (SELECT transaction, sum(amount) FROM postings GROUP BY transaction) p ON p.transaction = r.refund \
                WHERE t.id IS NULL OR t.kind NOT IN (5, 13) OR r.amount <> CASE t.kind WHEN 5 THEN coalesce(p.sum, 0) ELSE f.amount END OR f.payment IS NULL",
    },
    Step {
        name: "keys",
        checks: &["key transaction", "key request", "key status", "retired key"],
        bad: "SELECT CASE WHEN k.status = 3 THEN 'retired key' WHEN t.id IS NULL THEN 'key transaction' WHEN t.request <> k.request THEN 'key request' ELSE 'key status' END, \
              'key ' || k.key, CASE WHEN k.status = 3 THEN 'no transaction' WHEN t.id IS NULL THEN 'transaction ' || k.transaction WHEN t.request <> k.request THEN 'request ' || t.request \
              ELSE 'status ' || t.status END, CASE WHEN k.status = 3 THEN 'transaction ' || t.id WHEN t.id IS NULL THEN 'none' WHEN t.request <> k.request THEN 'request ' || k.request \
              ELSE 'status ' || k.status END \
              FROM (SELECT * FROM keys_even UNION ALL SELECT * FROM keys_odd) k LEFT JOIN transactions t ON t.id = k.transaction \
              WHERE (k.status = 3) <> (t.id IS NULL) OR (k.status <> 3 AND (t.request <> k.request OR t.status <> k.status))",
    },
    // An exchange is one transaction of two postings: what leaves in one currency arrives in the other, at the pinned rate, one of the two rounded
    // by less than a unit of its own.
    Step {
        name: "exchanges",
        checks: &["exchange", "exchange rate", "exchange amount"],
        bad: "SELECT CASE WHEN (e.kind = 7 AND e.status = 1 AND e.n = 2 AND e.currencies = ARRAY[least(e.base, e.quote), greatest(e.base, e.quote)]) IS NOT TRUE THEN 'exchange' \
                          WHEN (e.rate = e.quoted AND e.base = e.rate_base AND e.quote = e.rate_quote AND e.tenant = e.rate_tenant) IS NOT TRUE THEN 'exchange rate' ELSE 'exchange amount' END, \
              'transaction ' || e.transaction, \
              CASE WHEN (e.kind = 7 AND e.status = 1 AND e.n = 2 AND e.currencies = ARRAY[least(e.base, e.quote), greatest(e.base, e.quote)]) IS NOT TRUE THEN format('kind 7, 2 postings, %s and %s', e.base, e.quote) \
                   WHEN (e.rate = e.quoted AND e.base = e.rate_base AND e.quote = e.rate_quote AND e.tenant = e.rate_tenant) IS NOT TRUE THEN format('rate %s: %s %s/%s', e.rate_id, coalesce(e.quoted::text, 'none'), e.rate_base, e.rate_quote) \
                   ELSE format('within 1 of %s', trunc(e.due, 4)) END, \
              CASE WHEN (e.kind = 7 AND e.status = 1 AND e.n = 2 AND e.currencies = ARRAY[least(e.base, e.quote), greatest(e.base, e.quote)]) IS NOT TRUE \
                     THEN format('%s, %s postings in %s', coalesce('kind ' || e.kind, 'none'), coalesce(e.n, 0), coalesce(array_to_string(e.currencies, ' and '), 'no currency')) \
                   WHEN (e.rate = e.quoted AND e.base = e.rate_base AND e.quote = e.rate_quote AND e.tenant = e.rate_tenant) IS NOT TRUE THEN format('%s %s/%s', e.rate, e.base, e.quote) \
                   ELSE e.arrives::text END \
              FROM (SELECT x.*, t.kind, t.status, t.tenant, r.rate AS quoted, r.base AS rate_base, r.quote AS rate_quote, r.tenant AS rate_tenant, p.n, p.currencies, p.leaves, p.arrives, \
                      CASE WHEN p.gives = x.base THEN p.leaves * x.rate ELSE p.leaves / x.rate END * power(10::numeric, kt.exponent - kg.exponent) AS due \
                    FROM exchanges x LEFT JOIN transactions t ON t.id = x.transaction LEFT JOIN rates r ON r.id = x.rate_id \
                      LEFT JOIN (SELECT p.transaction, count(*) AS n, array_agg(DISTINCT a.currency ORDER BY a.currency) AS currencies, \
                          (array_agg(p.amount ORDER BY p.n))[1] AS leaves, (array_agg(a.currency ORDER BY p.n))[1] AS gives, \
                          (array_agg(p.amount ORDER BY p.n))[2] AS arrives, (array_agg(a.currency ORDER BY p.n))[2] AS takes \
                        FROM postings p JOIN accounts a ON a.id = p.debit_account WHERE p.transaction IN (SELECT transaction FROM exchanges) GROUP BY p.transaction) p ON p.transaction = x.transaction \
                      LEFT JOIN currencies kg ON kg.code = p.gives LEFT JOIN currencies kt ON kt.code = p.takes) e \
              WHERE (e.kind = 7 AND e.status = 1 AND e.n = 2 AND e.currencies = ARRAY[least(e.base, e.quote), greatest(e.base, e.quote)] \
                AND e.rate = e.quoted AND e.base = e.rate_base AND e.quote = e.rate_quote AND e.tenant = e.rate_tenant AND abs(e.due - e.arrives) < greatest(1, e.due / nullif(e.leaves, 0))) IS NOT TRUE",
    },
    Step {
        name: "sagas",
        checks: &["saga", "saga event"],
        bad: "SELECT 'saga', 'saga ' || s.id, format('%s events of a transaction', coalesce(e.n, 0)), format('%s events of %s', s.events, CASE WHEN t.id IS NULL THEN 'none' ELSE 'a transaction' END) \
                FROM sagas s LEFT JOIN (SELECT saga, count(*) AS n FROM saga_events GROUP BY saga) e ON e.saga = s.id LEFT JOIN transactions t ON t.id = s.id AND t.tenant = s.tenant \
                WHERE t.id IS NULL OR s.events <> coalesce(e.n, 0) \
              UNION ALL SELECT 'saga event', 'saga ' || e.saga, CASE WHEN s.id IS NULL THEN 'a saga' ELSE format('events 1 to %s', e.count) END, format('events %s to %s', e.min, e.max) \
                FROM (SELECT saga, count(*), min(n), max(n) FROM saga_events GROUP BY saga) e LEFT JOIN sagas s ON s.id = e.saga WHERE s.id IS NULL OR e.min <> 1 OR e.max <> e.count",
    },
    Step {
        name: "operators' actions",
        checks: &["operator action"],
        bad: "SELECT 'operator action', format('%s of %s of %s', a.action, a.subject, a.tenant), 'transaction ' || a.id, coalesce('kind ' || t.kind, 'none') \
              FROM operator_actions a LEFT JOIN transactions t ON t.id = a.id AND t.tenant = a.tenant \
              WHERE a.action IN ('account.status', 'account.limits', 'account.change') AND (t.kind = 20 AND t.status = 1) IS NOT TRUE",
    },
    Step {
        name: "key generations",
        checks: &["key in two generations"],
        bad: "SELECT 'key in two generations', 'key ' || e.key, 'one transaction', format('transactions %s and %s', e.transaction, o.transaction) FROM keys_even e JOIN keys_odd o ON o.key = e.key",
    },
    // A key that has left may be used again, so only uses closer than the retention are two effects of one key.
    Step {
        name: "effects",
        checks: &["key with two effects"],
        bad: "SELECT 'key with two effects', format('key %s of tenant %s, API %s', u.key, u.tenant, u.api), 'transaction ' || u.earlier, 'transaction ' || u.id || ' as well' \
              FROM (SELECT t.api, t.tenant, t.key, t.id, lag(t.id) OVER w AS earlier, t.created_at - lag(t.created_at) OVER w AS gap \
                    FROM transactions t JOIN (SELECT api, tenant, key FROM transactions WHERE key IS NOT NULL AND status = 1 GROUP BY api, tenant, key HAVING count(*) > 1) r \
                      ON r.api = t.api AND r.tenant = t.tenant AND r.key = t.key \
                    WHERE t.status = 1 WINDOW w AS (PARTITION BY t.api, t.tenant, t.key ORDER BY t.created_at, t.id)) u CROSS JOIN given g WHERE u.gap < g.key_gap",
    },
];
