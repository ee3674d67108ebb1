-- Orders as the service sees them: create, read, wish away. What the order flow needs is in 0004.

-- An order with what is recorded of its last attempt.
CREATE VIEW order_head AS
SELECT o.id, o.caller, o.customer_id, o.line_product, o.line_quantity, o.line_name,
       o.line_price_minor, o.ship_recipient, o.ship_lines, o.ship_postal_code, o.ship_locality,
       o.ship_area, o.ship_region, o.total_minor, o.currency, o.state, o.attempt, o.revision,
       o.create_time, o.update_time, a.payment_id, a.shipment_id, a.failure::text AS failure,
       a.fulfill_time
FROM orders o LEFT JOIN attempt a ON a.order_id = o.id AND a.attempt = o.attempt;

-- The same with the events of that attempt, oldest first, as arrays; '' where there is nothing.
CREATE VIEW order_full AS
SELECT h.*, e.*
FROM order_head h
CROSS JOIN LATERAL (
    SELECT array_agg(v.revision) AS event_revision,
           array_agg(v.state) AS event_state,
           array_agg(coalesce(v.step, '')) AS event_step,
           array_agg(v.outcome) AS event_outcome,
           array_agg(v.tries) AS event_tries,
           array_agg(coalesce(v.external_id, '')) AS event_external_id,
           array_agg(coalesce(v.failure::text, '')) AS event_failure,
           array_agg((extract(epoch FROM v.create_time) * 1000000)::bigint) AS event_time_us
    FROM (SELECT * FROM order_event v
          WHERE v.order_id = h.id AND v.attempt = h.attempt ORDER BY v.revision) v) e;

CREATE TYPE order_result AS (
    ord int, result text, replayed boolean, missing text[],
    id uuid, caller text, customer_id text, line_product text[], line_quantity int[],
    line_name text[], line_price_minor bigint[], ship_recipient text, ship_lines text[],
    ship_postal_code text, ship_locality text, ship_area text, ship_region text,
    total_minor bigint, currency text, state text, attempt int, revision bigint,
    create_time timestamptz, update_time timestamptz, payment_id text, shipment_id text,
    failure text, fulfill_time timestamptz,
    event_revision bigint[], event_state text[], event_step text[], event_outcome text[],
    event_tries int[], event_external_id text[], event_failure text[], event_time_us bigint[]);

-- Prices the lines from the catalogue and inserts the orders, each with its key, as PENDING.
-- p_line_ord and p_address_ord say whose a line is. An order that cannot be made leaves no key, but a
-- key that stands is answered first, also when the order could not be made today. With p_only_replay
-- that is all that is done.
CREATE FUNCTION create_orders(
    p_id uuid[], p_caller text[], p_customer_id text[], p_recipient text[], p_postal_code text[],
    p_locality text[], p_area text[], p_region text[], p_method text[], p_request_id text[],
    p_hash bytea[], p_line_ord int[], p_line_product text[], p_line_quantity int[],
    p_address_ord int[], p_address_line text[], p_only_replay boolean[])
RETURNS SETOF order_result LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_time timestamptz := clock_timestamp();
    v_problem text[];
    v_missing text[];
BEGIN
    -- The lines come in their order, and the aggregates keep it.
    WITH priced AS (
        SELECT l.ord, array_agg(l.product) AS product, array_agg(l.quantity) AS quantity,
               array_agg(l.name) AS name, array_agg(l.price_minor) AS price_minor,
               sum(l.price_minor::numeric * l.quantity) AS total, min(l.currency) AS currency,
               string_agg(l.product, ' ') FILTER (WHERE l.currency IS NULL) AS missing,
               CASE WHEN p_only_replay[l.ord + 1] THEN 'NOT_FOUND'
                    WHEN count(l.currency) < count(*) THEN 'PRODUCT_NOT_FOUND'
                    WHEN min(l.currency) <> max(l.currency) THEN 'CURRENCY_MIXED'
                    WHEN sum(l.price_minor::numeric * l.quantity) > 9223372036854775807
                    THEN 'OVERFLOW'
                    WHEN max(l.price_minor) = 0 THEN 'ZERO'
               END AS problem
        FROM (SELECT u.ord, p_line_product[i] AS product, p_line_quantity[i] AS quantity, p.name,
                     p.price_minor, p.currency
              FROM unnest(p_line_ord) WITH ORDINALITY AS u (ord, i)
              LEFT JOIN product p ON p.id = p_line_product[i] AND NOT p.deleted
              ORDER BY u.ord, i) l
        GROUP BY l.ord
    ), address AS (
        SELECT d.ord, array_agg(d.line) AS lines
        FROM (SELECT u.ord, p_address_line[i] AS line
              FROM unnest(p_address_ord) WITH ORDINALITY AS u (ord, i) ORDER BY u.ord, i) d
        GROUP BY d.ord
    ), won AS (
        INSERT INTO idempotency
        SELECT DISTINCT ON (p_caller[i], p_method[i], p_request_id[i])
               p_caller[i], p_method[i], p_request_id[i], p_hash[i], p_id[i], NULL, v_time
        FROM (SELECT ord + 1 AS i FROM priced WHERE problem IS NULL) p
        WHERE p_request_id[i] <> ''
        ORDER BY p_caller[i], p_method[i], p_request_id[i], i
        ON CONFLICT DO NOTHING
        RETURNING order_id
    ), made AS (
        INSERT INTO orders (
            id, caller, customer_id, line_product, line_quantity, line_name, line_price_minor,
            ship_recipient, ship_lines, ship_postal_code, ship_locality, ship_area, ship_region,
            total_minor, currency, create_time, update_time)
        SELECT p_id[i], p_caller[i], p_customer_id[i], p.product, p.quantity, p.name,
               p.price_minor, p_recipient[i], a.lines, p_postal_code[i], p_locality[i], p_area[i],
               p_region[i], p.total, p.currency, v_time, v_time
        FROM (SELECT *, ord + 1 AS i FROM priced) p JOIN address a ON a.ord = p.ord
        WHERE p.problem IS NULL
          AND (p_request_id[i] = '' OR p_id[i] IN (SELECT order_id FROM won))
        ORDER BY p_id[i]
        ON CONFLICT DO NOTHING -- sent again after a lost connection
        RETURNING id
    ), event AS (
        INSERT INTO order_event (order_id, revision, attempt, state, outcome, tries, create_time)
        SELECT id, 1, 0, 'PENDING', 'DONE', 0, v_time FROM made
    )
    SELECT array_agg(problem ORDER BY ord), array_agg(missing ORDER BY ord)
    INTO v_problem, v_missing FROM priced;

    RETURN QUERY
    SELECT (i - 1)::int,
           CASE WHEN k.hash <> p_hash[i] THEN 'KEY_REUSED'
                WHEN k.order_id IS NULL THEN coalesce(v_problem[i], 'OK')
                ELSE 'OK'
           END,
           coalesce(k.order_id <> q.id, false),
           CASE WHEN v_missing[i] IS NOT NULL THEN ARRAY(
               SELECT DISTINCT m FROM string_to_table(v_missing[i], ' ') m ORDER BY m) END,
           o.*
    FROM unnest(p_id) WITH ORDINALITY AS q (id, i)
    LEFT JOIN idempotency k
        ON (k.caller, k.method, k.request_id) = (p_caller[i], p_method[i], p_request_id[i])
    LEFT JOIN order_full o ON o.id = coalesce(k.order_id, q.id);
END $$;

-- Stores the wish that an order ends unfulfilled: at once where nobody works on it, else for its
-- driver to see.
CREATE FUNCTION wish_cancel(
    p_id uuid[], p_caller text[], p_method text[], p_request_id text[], p_hash bytea[])
RETURNS SETOF order_result LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_time timestamptz;
    v_result text[];
BEGIN
    INSERT INTO idempotency
    SELECT DISTINCT ON (q.caller, q.method, q.request_id)
           q.caller, q.method, q.request_id, q.hash, q.id, NULL, clock_timestamp()
    FROM unnest(p_id, p_caller, p_method, p_request_id, p_hash)
             WITH ORDINALITY AS q (id, caller, method, request_id, hash, place)
    JOIN orders o ON o.id = q.id AND o.caller = q.caller
    WHERE q.request_id <> ''
    ORDER BY q.caller, q.method, q.request_id, q.place
    ON CONFLICT DO NOTHING;

    PERFORM FROM orders WHERE id = ANY (p_id) ORDER BY id FOR NO KEY UPDATE;

    -- A key that stood before was for a wish that is stored already, so it wishes nothing again.
    SELECT array_agg(
               CASE WHEN o.id IS NULL THEN 'NOT_FOUND'
                    WHEN k.hash <> q.hash OR k.order_id <> q.id THEN 'KEY_REUSED'
                    WHEN k.xmin <> pg_current_xact_id()::xid THEN 'REPLAY'
                    WHEN o.state = 'FULFILLED' THEN 'STATE_INVALID'
                    ELSE 'OK'
               END ORDER BY q.place)
    INTO v_result
    FROM unnest(p_id, p_caller, p_method, p_request_id, p_hash)
             WITH ORDINALITY AS q (id, caller, method, request_id, hash, place)
    LEFT JOIN orders o ON o.id = q.id AND o.caller = q.caller
    LEFT JOIN idempotency k
        ON (k.caller, k.method, k.request_id) = (q.caller, q.method, q.request_id);

    DELETE FROM idempotency k -- what changed nothing leaves no key
    USING unnest(p_caller, p_method, p_request_id, v_result) AS q (caller, method, request_id, result)
    WHERE q.result = 'STATE_INVALID' AND q.request_id <> ''
      AND (k.caller, k.method, k.request_id) = (q.caller, q.method, q.request_id);

    v_time := clock_timestamp();
    WITH wished AS (
        UPDATE orders o SET
            state = CASE WHEN state IN ('PENDING', 'FAILED') THEN 'CANCELLED' ELSE state END,
            revision = revision + (state IN ('PENDING', 'FAILED'))::int,
            cancel_wished = true,
            update_time = CASE WHEN state IN ('PENDING', 'FAILED') THEN v_time ELSE update_time END
        FROM (SELECT DISTINCT q.id FROM unnest(p_id, v_result) AS q (id, result)
              WHERE q.result = 'OK') q
        WHERE o.id = q.id AND NOT o.cancel_wished AND o.state <> 'CANCELLED'
        RETURNING o.id, o.revision, o.attempt, o.state)
    INSERT INTO order_event (order_id, revision, attempt, state, outcome, tries, create_time)
    SELECT id, revision, attempt, state, 'DONE', 0, v_time FROM wished WHERE state = 'CANCELLED';

    RETURN QUERY
    SELECT (q.place - 1)::int, CASE WHEN q.result = 'REPLAY' THEN 'OK' ELSE q.result END,
           q.result = 'REPLAY', NULL::text[], o.*
    FROM unnest(p_id, v_result) WITH ORDINALITY AS q (id, result, place)
    LEFT JOIN order_full o ON o.id = CASE WHEN q.result <> 'NOT_FOUND' THEN q.id END;
END $$;
