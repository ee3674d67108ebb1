-- For the person on call: orders found and shown whoever placed them, what is stuck mended, and the
-- figures that alerts are made of.

-- Who changed an order by hand, and why. NULL: the order flow or its caller did.
ALTER TABLE order_event
    ADD COLUMN operator text,
    ADD COLUMN operator_reason text,
    ADD CONSTRAINT order_event_operator CHECK ((operator IS NULL) = (operator_reason IS NULL)) NOT VALID;

-- When it was claimed; NULL of attempts that are older than this column.
ALTER TABLE attempt ADD COLUMN begin_time timestamptz;
ALTER TABLE attempt ALTER COLUMN begin_time SET DEFAULT now();

-- There are few, and they are asked for every few seconds. An attempt's outcome is in the predicate of
-- attempt_open already, so this costs no update anything.
CREATE INDEX attempt_stuck ON attempt (order_id) WHERE outcome = 'STUCK';

CREATE FUNCTION utc_text(p_time timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- The smallest UUIDv7 of that moment.
CREATE FUNCTION uuid_at(p_time timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex(greatest(floor(extract(epoch FROM p_time) * 1000), 0)::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$;

-- ---------------------------------------------------------------------------------------------------
-- Looking

-- An order in a list, as JSON. Times are in UTC, money is in minor units.
CREATE FUNCTION order_line_json(o orders, a attempt) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', o.id,
        'state', o.state,
        'stuckState', a.stuck_state,
        'attempt', o.attempt,
        'revision', o.revision,
        'cancelWished', o.cancel_wished,
        'customerId', o.customer_id,
        'totalMinor', o.total_minor::text,
        'currencyCode', o.currency,
        'reason', a.failure ->> 'reason',
        'paymentId', a.payment_id,
        'shipmentId', a.shipment_id,
        'createTime', utc_text(o.create_time),
        'updateTime', utc_text(o.update_time),
        'ageSeconds', extract(epoch FROM clock_timestamp() - o.update_time)::bigint)
$$;

-- Orders in a state ('': of all that are not at rest, or stuck) that have not changed for so long, newest
-- first. Of states in which orders rest 10,000 are looked at, at most.
--
-- It is planned anew each time: how many attempts are open changes by the second.
CREATE FUNCTION find_orders(p_state text[], p_older_ms bigint[], p_before uuid[], p_limit int[])
RETURNS TABLE (ord int, id uuid, body text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_until timestamptz;
    v_candidates text;
BEGIN
    FOR i IN 1 .. cardinality(p_state) LOOP
        v_until := clock_timestamp() - p_older_ms[i] * interval '1 ms';
        v_candidates := CASE
            WHEN p_state[i] = 'STUCK'
            THEN 'SELECT order_id FROM attempt WHERE outcome = ''STUCK'' AND order_id < $2'
            WHEN p_state[i] IN ('PENDING', 'FULFILLED', 'FAILED', 'CANCELLED')
            THEN '(SELECT id FROM orders WHERE id < least($2, uuid_at($3 + interval ''1 ms''))
                   ORDER BY id DESC LIMIT 10000)'
            ELSE 'SELECT order_id FROM attempt WHERE outcome IS NULL AND order_id < $2
                  UNION ALL
                  SELECT order_id FROM attempt WHERE outcome = ''STUCK'' AND order_id < $2'
        END;
        RETURN QUERY EXECUTE '
            SELECT $5, o.id, order_line_json(o, a)::text
            FROM (' || v_candidates || ') AS c (id)
            JOIN orders o ON o.id = c.id
            LEFT JOIN attempt a ON a.order_id = o.id AND a.attempt = o.attempt
            WHERE ($1 = '''' OR o.state = $1) AND o.update_time <= $3
            ORDER BY o.id DESC LIMIT $4'
        USING p_state[i], p_before[i], v_until, p_limit[i] + 1, i - 1;
    END LOOP;
END $$;

-- The steps of an attempt, each told once, as its last event has it. A step begins when its state was
-- entered, which is what the event before it did.
CREATE FUNCTION steps_json(p_id uuid, p_attempt int) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_agg(json_build_object(
               'kind', s.step, 'outcome', s.outcome, 'tries', s.tries, 'externalId', s.external_id,
               'startTime', utc_text(s.start_time),
               'endTime', CASE WHEN s.outcome <> 'RUNNING' THEN utc_text(s.end_time) END)
               ORDER BY s.first)
    FROM (SELECT v.step,
                 (array_agg(v.outcome ORDER BY v.revision DESC))[1] AS outcome,
                 (array_agg(v.tries ORDER BY v.revision DESC))[1] AS tries,
                 max(v.external_id) AS external_id, min(v.revision) AS first,
                 min(v.entered) AS start_time, max(v.create_time) AS end_time
          FROM (SELECT *, coalesce(lag(create_time) OVER (ORDER BY revision), create_time) AS entered
                FROM order_event WHERE order_id = p_id AND attempt = p_attempt) v
          WHERE v.step IS NOT NULL
          GROUP BY v.step) s
$$;

-- All that is known of an order: its attempts with their steps, and its last 500 events.
CREATE FUNCTION order_json(o orders) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'order', (SELECT order_line_json(o, a)
                  FROM (SELECT 1) one
                  LEFT JOIN attempt a ON a.order_id = o.id AND a.attempt = o.attempt),
        'caller', o.caller,
        'lines', (SELECT json_agg(json_build_object(
                             'productId', l.product, 'quantity', l.quantity, 'priceMinor', l.price::text)
                             ORDER BY l.place)
                  FROM unnest(o.line_product, o.line_quantity, o.line_price_minor)
                           WITH ORDINALITY AS l (product, quantity, price, place)),
        'generation', o.generation,
        'leaseUntil', utc_text(o.lease_until),
        'attempts', coalesce((
            SELECT json_agg(json_build_object(
                       'attempt', a.attempt, 'outcome', a.outcome, 'stuckState', a.stuck_state,
                       'method', a.method, 'requestId', a.request_id, 'tries', a.tries,
                       'beginTime', utc_text(a.begin_time),
                       'forwardUntil', utc_text(a.forward_until),
                       'fulfillUntil', utc_text(a.fulfill_until),
                       'undoSince', utc_text(a.undo_since),
                       'fulfillTime', utc_text(a.fulfill_time),
                       'paymentId', a.payment_id, 'shipmentId', a.shipment_id, 'failure', a.failure,
                       'steps', coalesce(steps_json(o.id, a.attempt), '[]')) ORDER BY a.attempt)
            FROM attempt a WHERE a.order_id = o.id), '[]'),
        'events', (
            SELECT json_agg(json_build_object(
                       'revision', e.revision, 'attempt', e.attempt, 'time', utc_text(e.create_time),
                       'state', e.state, 'step', e.step, 'outcome', e.outcome, 'tries', e.tries,
                       'externalId', e.external_id, 'failure', e.failure,
                       'operator', e.operator, 'operatorReason', e.operator_reason)
                       ORDER BY e.revision)
            FROM (SELECT * FROM order_event
                  WHERE order_id = o.id ORDER BY revision DESC LIMIT 500) e))
$$;

-- ---------------------------------------------------------------------------------------------------
-- Mending

-- What a person does with a stuck order. p_to '': its undo is tried again, from the state it is stuck in,
-- with all the time there is for undoing, and is due at once. FAILED, CANCELLED: the person has seen to it
-- that no money is held and no shipment lives; the order ends there, and its stock is given back as
-- RELEASING would have.
--
-- FULFILLED is never said by hand: a shipment that has left is found out by trying again. An order that
-- is to be cancelled can end CANCELLED only; FAILED needs a cause to tell.
CREATE FUNCTION mend_orders(p_id uuid[], p_to text[], p_operator text[], p_reason text[])
RETURNS TABLE (ord int, result text, state text, revision bigint)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_time timestamptz;
    v_mended int[];
    v_return uuid[];
BEGIN
    PERFORM FROM orders WHERE id = ANY (p_id) ORDER BY id FOR NO KEY UPDATE;

    v_time := clock_timestamp();
    WITH asked AS (
        SELECT DISTINCT ON (q.id) q.i, q.id, coalesce(nullif(p_to[q.i], ''), a.stuck_state) AS state
        FROM unnest(p_id) WITH ORDINALITY AS q (id, i)
        JOIN orders o ON o.id = q.id
        JOIN attempt a ON a.order_id = o.id AND a.attempt = o.attempt
        WHERE o.state = 'STUCK'
          AND (p_to[q.i] <> 'FAILED' OR (a.failure IS NOT NULL AND NOT o.cancel_wished))
        ORDER BY q.id, q.i
    ), mended AS (
        UPDATE orders o SET
            state = q.state,
            revision = o.revision + 1,
            attempts_used = o.attempts_used + (q.state = 'FAILED')::int,
            generation = o.generation + 1,
            lease_until = v_time,
            cancel_wished = o.cancel_wished OR q.state = 'CANCELLED',
            advance_token = NULL,
            update_time = v_time
        FROM asked q WHERE o.id = q.id
        RETURNING q.i, o.id, o.attempt, o.revision, o.state,
                  o.state IN ('FAILED', 'CANCELLED') AS is_end
    ), noted AS (
        UPDATE attempt a SET
            tries = 0,
            undo_since = CASE WHEN m.is_end THEN a.undo_since ELSE v_time END,
            stuck_state = NULL,
            outcome = CASE WHEN m.is_end THEN m.state END
        FROM mended m WHERE a.order_id = m.id AND a.attempt = m.attempt
    ), event AS (
        INSERT INTO order_event (order_id, revision, attempt, state, outcome, tries, create_time,
                                 operator, operator_reason)
        SELECT id, revision, attempt, state, CASE WHEN is_end THEN 'DONE' ELSE 'RUNNING' END, 0,
               v_time, p_operator[i], p_reason[i]
        FROM mended
    )
    SELECT array_agg(i), array_agg(id) FILTER (WHERE is_end) INTO v_mended, v_return FROM mended;

    IF v_return IS NOT NULL THEN
        PERFORM return_stock(v_return);
    END IF;

    RETURN QUERY
    SELECT (q.i - 1)::int,
           CASE WHEN q.i = ANY (v_mended) THEN 'DONE'
                WHEN o.id IS NULL THEN 'NOT_FOUND'
                WHEN o.state = 'STUCK' AND o.cancel_wished THEN 'CANCEL_WISHED'
                ELSE 'STATE_INVALID' END,
           o.state, o.revision
    FROM unnest(p_id) WITH ORDINALITY AS q (id, i)
    LEFT JOIN orders o ON o.id = q.id;
END $$;

-- ---------------------------------------------------------------------------------------------------
-- Figures

-- How many orders are stuck, how many are being undone, and for how long the oldest attempt has been
-- under way. At most p_limit open attempts are looked at; planned anew each time, as take_due is.
CREATE FUNCTION sample_orders(p_limit int[])
RETURNS TABLE (ord int, stuck bigint, undoing bigint, oldest_ms bigint) LANGUAGE plpgsql STABLE AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_limit) LOOP
        RETURN QUERY EXECUTE '
            SELECT $2, (SELECT count(*) FROM attempt WHERE outcome = ''STUCK''),
                   count(*) FILTER (WHERE o.state IN (''RECALLING'', ''REFUNDING'', ''RELEASING'')),
                   coalesce(extract(epoch FROM clock_timestamp()
                                               - min(coalesce(a.begin_time, o.create_time))) * 1000, 0)::bigint
            FROM (SELECT * FROM attempt WHERE outcome IS NULL LIMIT $1) a
            JOIN orders o ON o.id = a.order_id'
        USING p_limit[i], i - 1;
    END LOOP;
END $$;
