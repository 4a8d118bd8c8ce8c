-- Compares account $1 with what its rows post ($2) and hold ($3), the newest of them ($4) and their count ($5).
SELECT a.name, c.exponent,
  b.credits - b.debits AS balance, $2::numeric AS posted,
  b.held, $3::numeric AS open,
  b.version, CASE WHEN b.last_seq = $4 THEN $5::bigint ELSE -1 END AS rows
FROM accounts a
JOIN balances b ON b.account = a.id
JOIN currencies c ON c.code = a.currency
WHERE a.id = $1
