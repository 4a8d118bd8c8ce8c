-- Each row by itself, with the accounts that it names. One row is a debit and a credit of the same amount, so this is
-- all that is left to check of "debits equal credits" per transaction. Comparisons are named first, so that only rows
-- that fail one are put into words.
SELECT w.broken, format('row %s of transaction %s', n, id), w.expected, w.found
FROM (
  SELECT *,
    status <> :status_retired OR (is_bare AND key IS NOT NULL AND num_nonnulls(follows, event, body) = 0)
      AS retired_fits,
    status <> :status_declined OR is_bare AS declined_fits,
    status <> :status_completed OR NOT moves_nothing OR (postings = 0 AND amount IS NULL) AS still_fits,
    status <> :status_completed OR moves_nothing OR (postings > 0 AND amount IS NOT NULL) AS moving_fits,
    amount IS NULL OR is_between_two AS accounts_fit,
    amount IS NULL OR (debit_currency <> credit_currency) IS NOT TRUE AS currency_fits,
    (amount <= 0) IS NOT TRUE AS amount_fits,
    status <> :status_completed OR CASE
      WHEN amount IS NOT NULL THEN
        num_nulls(debit_prev, credit_prev, debit_after, credit_after) = 0
        AND CASE WHEN kind = :kind_capture AND n = 0 THEN held < 0 ELSE held IS NULL END
      WHEN kind IN (:kind_hold, :kind_void, :kind_payout) THEN
        is_between_two AND debit_currency = credit_currency AND num_nulls(debit_prev, debit_after) = 0
        AND num_nonnulls(credit_prev, credit_after) = 0
        AND CASE kind WHEN :kind_void THEN held < 0 ELSE held > 0 END
      WHEN kind = :kind_account_change THEN
        debit_tenant = tenant AND num_nulls(debit_prev, debit_after) = 0
        AND num_nonnulls(credit_account, credit_prev, credit_after, held) = 0
      ELSE is_bare
    END AS sides_fit,
    event IS NULL OR event = due AS event_fits,
    CASE
      WHEN n > 0 THEN
        num_nonnulls(
          key, request, follows, key_text, reference, description, metadata, correlation, made_by, made_from, body
        ) = 0
      WHEN status = :status_declined THEN
        request IS NOT NULL AND jsonb_typeof(body -> 'code') = 'number'
        AND jsonb_typeof(body -> 'message') = 'string' AND jsonb_typeof(body -> 'postings') = 'array'
      ELSE
        request IS NOT NULL
        AND (
          status <> :status_completed OR kind NOT IN (:kind_capture, :kind_void, :kind_reversal)
          OR follows IS NOT NULL
        )
    END AS facts_fit
  FROM (
    SELECT j.*,
      d.name AS debit_name, d.tenant AS debit_tenant, d.currency AS debit_currency,
      c.name AS credit_name, c.currency AS credit_currency,
      d.id <> c.id AND d.tenant = j.tenant AND c.tenant = j.tenant AS is_between_two,
      j.kind > :kind_account_change OR j.kind = ANY (g.without_postings) AS moves_nothing,
      n = 0 AND postings = 0
        AND num_nonnulls(
          debit_account, credit_account, debit_prev, credit_prev, amount, held, debit_after, credit_after
        ) = 0 AS is_bare,
      CASE
        WHEN status = :status_declined THEN
          CASE
            WHEN api = :api_payment_v1 THEN :event_payment_declined
            WHEN j.kind = :kind_invoice_payment THEN :event_invoice_payment_failed
            ELSE :event_transaction_declined
          END
        WHEN event IN (:billing_events) THEN event
        WHEN j.kind IN (:kind_hold, :kind_payout) THEN :event_hold_authorized
        WHEN j.kind = :kind_void THEN :event_hold_voided
        WHEN j.kind = :kind_account_opening THEN :event_account_created
        WHEN j.kind = :kind_account_change THEN :event_account_changed
        WHEN j.kind = :kind_replay THEN event
        WHEN j.kind <> :kind_card_topup THEN
          CASE api WHEN :api_payment_v1 THEN :event_payment_authorized ELSE :event_transaction_posted END
      END AS due
    FROM journal j
    LEFT JOIN accounts d ON d.id = j.debit_account
    LEFT JOIN accounts c ON c.id = j.credit_account
    CROSS JOIN given g
  ) s
) r,
LATERAL (VALUES
  (
    'retired key', retired_fits,
    'a key and nothing else',
    format('key %s, kind %s, %s postings', coalesce(key::text, 'none'), kind, postings)
  ),
  (
    'declined with postings', declined_fits,
    'no postings, no accounts',
    format('%s postings, kind %s', postings, kind)
  ),
  (
    'kind with postings', still_fits,
    'no postings',
    format('%s postings, kind %s', postings, kind)
  ),
  (
    'transaction without postings', moving_fits,
    'postings',
    format('%s postings, kind %s', CASE WHEN amount IS NULL THEN 0 ELSE postings END, kind)
  ),
  (
    'posting account', accounts_fit,
    'two accounts of ' || tenant,
    format(
      'accounts %s and %s',
      coalesce(debit_name, debit_account || ' (none)'), coalesce(credit_name, credit_account || ' (none)')
    )
  ),
  (
    'posting currency', currency_fits,
    'one currency',
    format('%s from %s, %s to %s', debit_currency, debit_name, credit_currency, credit_name)
  ),
  (
    'posting amount', amount_fits,
    'more than 0',
    amount::text
  ),
  (
    'accounts of a row', sides_fit,
    CASE
      WHEN amount IS NOT NULL THEN 'two accounts'
      WHEN kind IN (:kind_hold, :kind_void, :kind_payout, :kind_account_change) THEN 'its debited account'
      ELSE 'no account'
    END || CASE
      WHEN kind IN (:kind_hold, :kind_payout) THEN ', more held'
      WHEN kind = :kind_void OR (kind = :kind_capture AND n = 0) THEN ', less held'
      ELSE ', nothing held'
    END,
    format(
      'debited %s after %s to %s, credited %s after %s to %s, held %s',
      coalesce(debit_account::text, 'none'), coalesce(debit_prev::text, 'none'),
      coalesce(debit_after::text, 'none'), coalesce(credit_account::text, 'none'),
      coalesce(credit_prev::text, 'none'), coalesce(credit_after::text, 'none'), coalesce(held::text, 'none')
    )
  ),
  (
    'event', event_fits,
    coalesce('event ' || due, 'no event'),
    format('event %s, kind %s, status %s', event, kind, status)
  ),
  (
    'facts of a transaction', facts_fit,
    CASE n WHEN 0 THEN 'all that its kind and status need' ELSE 'none: they stand on the first row' END,
    format(
      'request %s, follows %s, body %s',
      coalesce(request::text, 'none'), coalesce(follows::text, 'none'), coalesce(left(body::text, 200), 'none')
    )
  )
) w(broken, fits, expected, found)
WHERE (
    retired_fits AND declined_fits AND still_fits AND moving_fits AND accounts_fit AND currency_fits AND amount_fits
    AND sides_fit AND event_fits AND facts_fit
  ) IS NOT TRUE
  AND w.fits IS NOT TRUE
