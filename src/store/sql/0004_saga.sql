-- The commits of the order flow: claim, advance, lease. What each must do stands in port/saga_store.h.
--
-- Time is clock_timestamp(), read after the locks were got: a lease or budget that began while the
-- statement waited for a lock would have been spent waiting.

CREATE TYPE record_result AS (
    ord int, result text,
    id uuid, caller text, customer_id text, line_product text[], line_quantity int[],
    line_name text[], line_price_minor bigint[], ship_recipient text, ship_lines text[],
    ship_postal_code text, ship_locality text, ship_area text, ship_region text,
    total_minor bigint, currency text, state text, attempt int, revision bigint,
    create_time timestamptz, update_time timestamptz, payment_id text, shipment_id text,
    failure text, fulfill_time timestamptz,
    generation bigint, cancel_wished boolean, payment_method text, forward_left_ms bigint,
    fulfill_left_ms bigint, undo_age_ms bigint, lease_left_ms bigint, tries int);

-- Orders as a driver sees them, each with the attempt named. A replay tells how that attempt ended,
-- whatever became of the order later.
CREATE FUNCTION order_records(p_ord int[], p_result text[], p_id uuid[], p_attempt int[])
RETURNS SETOF record_result LANGUAGE sql STABLE AS $$
    SELECT q.ord, q.result, o.id, o.caller, o.customer_id, o.line_product, o.line_quantity,
           o.line_name, o.line_price_minor, o.ship_recipient, o.ship_lines, o.ship_postal_code,
           o.ship_locality, o.ship_area, o.ship_region, o.total_minor, o.currency,
           CASE q.result WHEN 'REPLAY' THEN a.outcome ELSE o.state END,
           coalesce(a.attempt, o.attempt), o.revision, o.create_time, o.update_time, a.payment_id,
           a.shipment_id, a.failure::text, a.fulfill_time, o.generation, o.cancel_wished,
           a.payment_method,
           (extract(epoch FROM a.forward_until - now.at) * 1000)::bigint,
           (extract(epoch FROM a.fulfill_until - now.at) * 1000)::bigint,
           (extract(epoch FROM now.at - a.undo_since) * 1000)::bigint,
           (extract(epoch FROM o.lease_until - now.at) * 1000)::bigint,
           a.tries
    FROM unnest(p_ord, p_result, p_id, p_attempt) AS q (ord, result, id, attempt)
    CROSS JOIN (SELECT clock_timestamp() AS at) now
    LEFT JOIN orders o ON o.id = q.id
    LEFT JOIN attempt a ON a.order_id = q.id AND a.attempt = q.attempt
$$;

-- Takes all lines of each order from stock, or none: in the order given, which is that of arrival.
-- The orders are locked and differ. Answers those that were refused.
CREATE FUNCTION take_stock(p_id uuid[])
RETURNS TABLE (id uuid, failure jsonb) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_place int[];      -- what is wanted, an element for each order and product
    v_product text[];
    v_quantity bigint[];
    v_short text[];     -- products of which not everybody can have what he wants
    v_left bigint[];    -- what is left of them; -1 of a product that was deleted
    v_refused int[] := '{}';
    v_order record;
BEGIN
    SELECT array_agg(d.place), array_agg(d.product), array_agg(d.quantity)
    INTO v_place, v_product, v_quantity
    FROM (SELECT q.place, l.product, sum(l.quantity) AS quantity
          FROM unnest(p_id) WITH ORDINALITY AS q (id, place)
          JOIN orders o ON o.id = q.id
          CROSS JOIN unnest(o.line_product, o.line_quantity) AS l (product, quantity)
          GROUP BY q.place, l.product) d;

    PERFORM FROM stock WHERE product_id = ANY (v_product) ORDER BY product_id FOR NO KEY UPDATE;

    SELECT array_agg(d.product), array_agg(CASE WHEN p.deleted THEN -1 ELSE s.available END)
    INTO v_short, v_left
    FROM (SELECT q.product, sum(q.quantity) AS quantity
          FROM unnest(v_product, v_quantity) AS q (product, quantity) GROUP BY q.product) d
    JOIN stock s ON s.product_id = d.product
    JOIN product p ON p.id = d.product
    WHERE p.deleted OR s.available < d.quantity;

    -- Only the orders that want one of these are looked at one by one.
    FOR v_order IN
        SELECT q.place, array_agg(q.product) AS product, array_agg(q.quantity) AS quantity
        FROM unnest(v_place, v_product, v_quantity) AS q (place, product, quantity)
        WHERE q.product = ANY (v_short)
        GROUP BY q.place ORDER BY q.place
    LOOP
        SELECT CASE
                   WHEN bool_or(s.available < 0) THEN jsonb_build_object(
                       'reason', 'ORDER_PRODUCT_NOT_FOUND',
                       'metadata', jsonb_build_object(
                           'productId', min(s.product) FILTER (WHERE s.available < 0)))
                   ELSE jsonb_build_object(
                       'reason', 'OUT_OF_STOCK',
                       'short', jsonb_agg(jsonb_build_object(
                           'product', s.product, 'requested', d.quantity,
                           'available', s.available) ORDER BY s.product))
               END
        INTO failure
        FROM unnest(v_order.product, v_order.quantity) AS d (product, quantity)
        JOIN unnest(v_short, v_left) AS s (product, available) ON s.product = d.product
        WHERE s.available < d.quantity
        HAVING count(*) > 0;

        IF failure IS NOT NULL THEN
            v_refused := v_refused || v_order.place;
            id := p_id[v_order.place];
            RETURN NEXT;
        ELSE
            v_left := (
                SELECT array_agg(s.available - coalesce(d.quantity, 0) ORDER BY s.place)
                FROM unnest(v_short, v_left) WITH ORDINALITY AS s (product, available, place)
                LEFT JOIN unnest(v_order.product, v_order.quantity) AS d (product, quantity)
                    ON d.product = s.product);
        END IF;
    END LOOP;

    UPDATE stock s SET available = s.available - d.quantity
    FROM (SELECT q.product, sum(q.quantity) AS quantity
          FROM unnest(v_place, v_product, v_quantity) AS q (place, product, quantity)
          WHERE q.place <> ALL (v_refused)
          GROUP BY q.product) d
    WHERE s.product_id = d.product;
END $$;

-- Gives all lines of the orders back to stock.
CREATE FUNCTION return_stock(p_id uuid[])
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_product text[];
    v_quantity bigint[];
BEGIN
    SELECT array_agg(d.product), array_agg(d.quantity) INTO v_product, v_quantity
    FROM (SELECT l.product, sum(l.quantity) AS quantity
          FROM orders o CROSS JOIN unnest(o.line_product, o.line_quantity) AS l (product, quantity)
          WHERE o.id = ANY (p_id)
          GROUP BY l.product) d;
    PERFORM FROM stock WHERE product_id = ANY (v_product) ORDER BY product_id FOR NO KEY UPDATE;
    UPDATE stock s SET available = s.available + d.quantity
    FROM unnest(v_product, v_quantity) AS d (product, quantity) WHERE s.product_id = d.product;
END $$;

-- Begins an attempt of each order that may have one, and takes its lines from stock: CHARGING, or
-- FAILED when they cannot be had. With p_remote nothing is taken here: RESERVING.
--
-- Without p_may_start nothing is begun, only an attempt of the same key joined or repeated.
--
-- Requests are decided against what is stored; where several of a batch could begin an attempt of the
-- same order, the first does, and the others are decided again against what it left behind.
CREATE FUNCTION claim_and_reserve(
    p_id uuid[], p_caller text[], p_payment_method text[], p_method text[], p_request_id text[],
    p_hash bytea[], p_token uuid[], p_lease_ms bigint[], p_forward_ms bigint[], p_remote boolean[],
    p_may_start boolean[])
RETURNS SETOF record_result LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_count int := cardinality(p_id);
    v_result text[] := array_fill(NULL::text, ARRAY[v_count]); -- NULL: not decided yet
    v_attempt int[] := array_fill(NULL::int, ARRAY[v_count]);
    v_start boolean[];
    v_failure jsonb[];
    v_take uuid[];
    v_refusal record;
    v_time timestamptz;
BEGIN
    INSERT INTO idempotency
    SELECT DISTINCT ON (p_caller[i], p_method[i], q.request_id)
           p_caller[i], p_method[i], q.request_id, p_hash[i], p_id[i], NULL, clock_timestamp()
    FROM unnest(p_request_id) WITH ORDINALITY AS q (request_id, i)
    WHERE q.request_id <> ''
    ORDER BY p_caller[i], p_method[i], q.request_id, i
    ON CONFLICT DO NOTHING;

    PERFORM FROM orders WHERE id = ANY (p_id) ORDER BY id FOR NO KEY UPDATE;

    LOOP
        -- t: the attempt this claim itself began, when it is sent again. b: the last attempt that its
        -- key began; one whose answer invited a retry does not bind it.
        WITH decision AS (
            SELECT i, q.id,
                   CASE
                       WHEN v_result[i] IS NOT NULL THEN v_result[i]
                       WHEN o.id IS NULL THEN 'NOT_FOUND'
                       WHEN t.outcome IS NOT NULL
                       THEN CASE WHEN t.claim_generation = o.generation AND t.outcome = 'FAILED'
                                 THEN 'REFUSED' ELSE 'REPLAY' END
                       WHEN t.order_id IS NOT NULL
                       THEN CASE WHEN t.claim_generation = o.generation
                                 THEN 'STARTED' ELSE 'JOIN' END
                       WHEN k.hash <> p_hash[i] OR k.order_id <> q.id THEN 'KEY_REUSED'
                       WHEN b.order_id IS NOT NULL AND b.outcome IS NULL THEN 'JOIN'
                       WHEN b.order_id IS NOT NULL AND NOT b.invites_retry THEN 'REPLAY'
                       WHEN o.state = 'FULFILLED' THEN 'FULFILLED'
                       WHEN o.state IN ('CANCELLED', 'STUCK') THEN 'STATE_INVALID'
                       WHEN o.state NOT IN ('PENDING', 'FAILED') THEN 'IN_PROGRESS'
                       WHEN o.attempts_used >= 20 THEN 'EXHAUSTED'
                       WHEN NOT p_may_start[i] THEN 'TOO_SHORT'
                       ELSE 'START'
                   END AS result,
                   coalesce(v_attempt[i], t.attempt,
                            CASE WHEN b.outcome IS NULL OR NOT b.invites_retry THEN b.attempt END,
                            o.attempt) AS attempt
            FROM unnest(p_id) WITH ORDINALITY AS q (id, i)
            LEFT JOIN orders o ON o.id = q.id AND o.caller = p_caller[i]
            LEFT JOIN idempotency k
                ON (k.caller, k.method, k.request_id) = (p_caller[i], p_method[i], p_request_id[i])
            LEFT JOIN LATERAL (
                SELECT * FROM attempt a
                WHERE o.attempt > 0 AND a.order_id = o.id AND a.claim_token = p_token[i]
                LIMIT 1) t ON true
            LEFT JOIN LATERAL (
                SELECT * FROM attempt a
                WHERE o.attempt > 0 AND a.order_id = o.id AND a.method = p_method[i]
                      AND a.request_id = p_request_id[i]
                ORDER BY a.attempt DESC LIMIT 1) b ON true
        ), chosen AS (
            SELECT *, result = 'START'
                      AND i = min(i) FILTER (WHERE result = 'START') OVER (PARTITION BY id)
                      AS is_start
            FROM decision
        )
        SELECT array_agg(CASE WHEN result = 'START' THEN NULL ELSE result END ORDER BY i),
               array_agg(CASE WHEN result = 'START' THEN NULL ELSE attempt END ORDER BY i),
               array_agg(is_start ORDER BY i),
               array_agg(id ORDER BY i) FILTER (WHERE is_start AND NOT p_remote[i])
        INTO v_result, v_attempt, v_start, v_take
        FROM chosen;
        EXIT WHEN true <> ALL (v_start);

        v_failure := array_fill(NULL::jsonb, ARRAY[v_count]);
        IF v_take IS NOT NULL THEN
            FOR v_refusal IN SELECT * FROM take_stock(v_take) LOOP
                FOR i IN 1 .. v_count LOOP
                    IF v_start[i] AND p_id[i] = v_refusal.id THEN
                        v_failure[i] := v_refusal.failure;
                    END IF;
                END LOOP;
            END LOOP;
        END IF;

        v_time := clock_timestamp();
        WITH claimed AS (
            UPDATE orders o SET
                state = CASE WHEN v_failure[i] IS NOT NULL THEN 'FAILED'
                             WHEN p_remote[i] THEN 'RESERVING' ELSE 'CHARGING' END,
                revision = o.revision + 1,
                attempt = o.attempt + 1,
                attempts_used = o.attempts_used + (v_failure[i] IS NOT NULL)::int,
                generation = o.generation + 1,
                lease_until = v_time + p_lease_ms[i] * interval '1 ms',
                advance_token = NULL,
                update_time = v_time
            FROM unnest(p_id) WITH ORDINALITY AS q (id, i)
            WHERE v_start[i] AND o.id = q.id
            RETURNING i, o.id, o.attempt, o.generation, o.revision, o.state
        ), begun AS (
            INSERT INTO attempt (order_id, attempt, claim_token, claim_generation, method,
                                 request_id, payment_method, forward_until, failure, outcome)
            SELECT id, attempt, p_token[i], generation,
                   CASE WHEN p_request_id[i] <> '' THEN p_method[i] END,
                   nullif(p_request_id[i], ''), p_payment_method[i],
                   v_time + p_forward_ms[i] * interval '1 ms',
                   v_failure[i], CASE WHEN state = 'FAILED' THEN 'FAILED' END
            FROM claimed
        ), event AS (
            INSERT INTO order_event (order_id, revision, attempt, state, step, outcome, tries,
                                     failure, create_time)
            SELECT id, revision, attempt, state, CASE WHEN state <> 'RESERVING' THEN 'RESERVE' END,
                   CASE state WHEN 'FAILED' THEN 'REFUSED' WHEN 'RESERVING' THEN 'RUNNING'
                              ELSE 'DONE' END,
                   1, v_failure[i], v_time
            FROM claimed
        )
        SELECT array_agg(CASE WHEN c.id IS NULL THEN v_result[q.i]
                              WHEN c.state = 'FAILED' THEN 'REFUSED' ELSE 'STARTED' END
                         ORDER BY q.i),
               array_agg(coalesce(c.attempt, v_attempt[q.i]) ORDER BY q.i)
        INTO v_result, v_attempt
        FROM generate_series(1, v_count) AS q (i) LEFT JOIN claimed c ON c.i = q.i;
        EXIT WHEN array_position(v_result, NULL) IS NULL;
    END LOOP;

    -- A new key under which nothing began is not kept.
    IF v_result && ARRAY['NOT_FOUND', 'FULFILLED', 'STATE_INVALID', 'IN_PROGRESS', 'EXHAUSTED',
                         'TOO_SHORT'] THEN
        DELETE FROM idempotency k
        USING (SELECT q.caller, q.method, q.request_id
               FROM unnest(p_caller, p_method, p_request_id, v_result)
                   AS q (caller, method, request_id, result)
               GROUP BY q.caller, q.method, q.request_id
               HAVING bool_and(q.result NOT IN ('STARTED', 'REFUSED', 'REPLAY', 'JOIN'))) q
        WHERE (k.caller, k.method, k.request_id) = (q.caller, q.method, q.request_id)
          AND k.xmin = pg_current_xact_id()::xid;
    END IF;

    RETURN QUERY
    SELECT r.* FROM (
        SELECT array_agg(place - 1 ORDER BY place) AS ord,
               array_agg(CASE WHEN result IN ('NOT_FOUND', 'KEY_REUSED') THEN NULL ELSE id END
                         ORDER BY place) AS id
        FROM unnest(p_id, v_result) WITH ORDINALITY AS q (id, result, place)) q
    CROSS JOIN LATERAL order_records(q.ord::int[], v_result, q.id, v_attempt) r;
END $$;

-- The outcome of a step and the next state. Only as long as owner, state and wish are those that it
-- was computed with; a row that is sent again after a lost connection is known by its token.
CREATE FUNCTION advance_orders(
    p_id uuid[], p_generation bigint[], p_from text[], p_cancel_seen boolean[], p_to text[],
    p_step text[], p_outcome text[], p_tries int[], p_external_id text[], p_payment_id text[],
    p_shipment_id text[], p_failure text[], p_invites_retry boolean[], p_clear_failure boolean[],
    p_return_stock boolean[], p_fulfill_ms bigint[], p_counts boolean[], p_lease_ms bigint[],
    p_token uuid[])
RETURNS TABLE (ord int, result text, cancel_wished boolean, revision bigint, update_time timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_time timestamptz;
    v_moved int[];
    v_return uuid[];
BEGIN
    PERFORM FROM orders WHERE id = ANY (p_id) ORDER BY id FOR NO KEY UPDATE;

    v_time := clock_timestamp();
    WITH moved AS (
        UPDATE orders o SET
            state = p_to[i],
            revision = o.revision + 1,
            attempts_used = o.attempts_used + p_counts[i]::int,
            lease_until = v_time + p_lease_ms[i] * interval '1 ms',
            advance_token = p_token[i],
            update_time = v_time
        FROM unnest(p_id) WITH ORDINALITY AS q (id, i)
        WHERE o.id = q.id AND o.generation = p_generation[i] AND o.state = p_from[i]
          AND o.cancel_wished = p_cancel_seen[i]
          AND (p_token[i] IS NULL OR o.advance_token IS DISTINCT FROM p_token[i])
        RETURNING i, o.id, o.attempt, o.revision, o.state
    ), noted AS (
        UPDATE attempt a SET
            tries = CASE WHEN m.state = p_from[i] THEN p_tries[i] ELSE 0 END,
            payment_id = coalesce(p_payment_id[i], a.payment_id),
            shipment_id = coalesce(p_shipment_id[i], a.shipment_id),
            failure = CASE WHEN NOT p_clear_failure[i]
                           THEN coalesce(a.failure, p_failure[i]::jsonb) END,
            invites_retry = NOT p_clear_failure[i]
                            AND CASE WHEN a.failure IS NULL THEN p_invites_retry[i]
                                     ELSE a.invites_retry END,
            fulfill_until = CASE WHEN p_fulfill_ms[i] > 0
                                 THEN v_time + p_fulfill_ms[i] * interval '1 ms'
                                 ELSE a.fulfill_until END,
            undo_since = CASE WHEN m.state IN ('RECALLING', 'REFUNDING', 'RELEASING')
                              THEN coalesce(a.undo_since, v_time) ELSE a.undo_since END,
            stuck_state = CASE WHEN m.state = 'STUCK' THEN p_from[i] END,
            fulfill_time = CASE WHEN m.state = 'FULFILLED' THEN v_time END,
            outcome = CASE WHEN m.state IN ('FULFILLED', 'FAILED', 'CANCELLED', 'STUCK')
                           THEN m.state END
        FROM moved m WHERE a.order_id = m.id AND a.attempt = m.attempt
    ), event AS (
        INSERT INTO order_event
        SELECT id, revision, attempt, state, p_step[i], p_outcome[i], p_tries[i],
               p_external_id[i], p_failure[i]::jsonb, v_time
        FROM moved
    )
    SELECT array_agg(i), array_agg(id) FILTER (WHERE p_return_stock[i])
    INTO v_moved, v_return FROM moved;

    IF v_return IS NOT NULL THEN
        PERFORM return_stock(v_return);
    END IF;

    RETURN QUERY
    SELECT (i - 1)::int,
           CASE WHEN i = ANY (v_moved) THEN 'DONE'
                WHEN o.generation = p_generation[i] AND o.advance_token = p_token[i] THEN 'DONE'
                WHEN o.generation = p_generation[i] AND o.state = p_from[i]
                     AND o.cancel_wished <> p_cancel_seen[i] THEN 'CANCEL_WISHED'
                ELSE 'FENCED'
           END,
           coalesce(o.cancel_wished, false), coalesce(o.revision, 0), o.update_time
    FROM unnest(p_id) WITH ORDINALITY AS q (id, i)
    LEFT JOIN orders o ON o.id = q.id;
END $$;

CREATE FUNCTION renew_leases(p_id uuid[], p_generation bigint[], p_lease_ms bigint[])
RETURNS TABLE (ord int, result text, cancel_wished boolean) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_time timestamptz;
BEGIN
    PERFORM FROM orders WHERE id = ANY (p_id) ORDER BY id FOR NO KEY UPDATE;
    v_time := clock_timestamp();
    UPDATE orders o SET lease_until = v_time + q.lease_ms * interval '1 ms'
    FROM unnest(p_id, p_generation, p_lease_ms) AS q (id, generation, lease_ms)
    WHERE o.id = q.id AND o.generation = q.generation;

    RETURN QUERY
    SELECT (q.place - 1)::int,
           CASE WHEN o.generation = q.generation THEN 'DONE' ELSE 'FENCED' END,
           coalesce(o.cancel_wished, false)
    FROM unnest(p_id, p_generation) WITH ORDINALITY AS q (id, generation, place)
    LEFT JOIN orders o ON o.id = q.id;
END $$;

-- Orders whose owner has gone, the longest overdue first. It waits for nobody's lock: who holds one
-- is at work on that order. `result` is TAKEN.
CREATE FUNCTION take_due(p_limit int[], p_lease_ms bigint[])
RETURNS SETOF record_result LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_id uuid[];
    v_attempt int[];
BEGIN
    FOR i IN 1 .. cardinality(p_limit) LOOP
        SELECT array_agg(d.id), array_agg(d.attempt) INTO v_id, v_attempt
        FROM (SELECT o.id, o.attempt
              FROM attempt a JOIN orders o ON o.id = a.order_id AND o.attempt = a.attempt
              WHERE a.outcome IS NULL AND o.lease_until < clock_timestamp()
              ORDER BY o.lease_until LIMIT p_limit[i]
              FOR NO KEY UPDATE OF o SKIP LOCKED) d;
        CONTINUE WHEN v_id IS NULL;
        UPDATE orders SET
            generation = generation + 1,
            lease_until = clock_timestamp() + p_lease_ms[i] * interval '1 ms'
        WHERE id = ANY (v_id);
        RETURN QUERY SELECT * FROM order_records(
            array_fill(i - 1, ARRAY[cardinality(v_id)]),
            array_fill('TAKEN'::text, ARRAY[cardinality(v_id)]), v_id, v_attempt);
    END LOOP;
END $$;

CREATE FUNCTION give_back(p_id uuid[], p_generation bigint[])
RETURNS TABLE (ord int) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM orders WHERE id = ANY (p_id) ORDER BY id FOR NO KEY UPDATE;
    UPDATE orders o SET lease_until = clock_timestamp()
    FROM unnest(p_id, p_generation) AS q (id, generation)
    WHERE o.id = q.id AND o.generation = q.generation;
    RETURN QUERY SELECT (place - 1)::int FROM unnest(p_id) WITH ORDINALITY AS q (id, place);
END $$;
