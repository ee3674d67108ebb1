-- Orders compared with what the payment provider says. One replica does it, and tells all what it found.

-- One row: when the next run is due, when the last one ended, and its differences by kind
-- (domain/difference.h).
CREATE TABLE reconciliation (
    one              boolean PRIMARY KEY DEFAULT true CHECK (one),
    next_time        timestamptz NOT NULL DEFAULT '-infinity',
    done_time        timestamptz,
    no_order         bigint NOT NULL DEFAULT 0,
    not_written_down bigint NOT NULL DEFAULT 0,
    kept             bigint NOT NULL DEFAULT 0,
    amount           bigint NOT NULL DEFAULT 0,
    not_paid         bigint NOT NULL DEFAULT 0,
    missing          bigint NOT NULL DEFAULT 0
);
INSERT INTO reconciliation DEFAULT VALUES;

-- Who comes first when a run is due has it. If he dies, the next one is due as if he had done it.
CREATE FUNCTION take_reconciliation(p_every_ms bigint[])
RETURNS TABLE (ord int, taken boolean, now_s bigint) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_every_ms) LOOP
        UPDATE reconciliation SET next_time = clock_timestamp() + p_every_ms[i] * interval '1 ms'
        WHERE next_time <= clock_timestamp();
        ord := i - 1;
        taken := FOUND;
        now_s := extract(epoch FROM clock_timestamp());
        RETURN NEXT;
    END LOOP;
END $$;

-- Payments as they were p_settled_ms ago at the earliest, against orders as they are now. So only an order
-- that has rested for longer than that can differ; one that is stuck is known to.
CREATE FUNCTION compare_payments(
    p_ord int[], p_place int[], p_payment_id text[], p_order_id uuid[], p_amount bigint[],
    p_currency text[], p_received bigint[], p_refunded bigint[], p_settled_ms bigint[])
RETURNS TABLE (ord int, place int, kind text) LANGUAGE sql STABLE AS $$
    SELECT p.ord, p.place, d.kind
    FROM unnest(p_ord, p_place, p_payment_id, p_order_id, p_amount, p_currency, p_received, p_refunded,
                p_settled_ms)
             AS p (ord, place, payment_id, order_id, amount, currency, received, refunded, settled_ms)
    LEFT JOIN orders o ON o.id = p.order_id
    LEFT JOIN attempt a ON a.order_id = o.id AND a.payment_id = p.payment_id
    CROSS JOIN LATERAL (SELECT CASE
        WHEN o.id IS NULL THEN CASE WHEN p.received > p.refunded THEN 'NO_ORDER' END
        WHEN o.state NOT IN ('PENDING', 'FULFILLED', 'FAILED', 'CANCELLED') THEN NULL
        WHEN o.update_time > clock_timestamp() - p.settled_ms * interval '1 ms' THEN NULL
        WHEN a.order_id IS NULL THEN CASE WHEN p.received > 0 THEN 'NOT_WRITTEN_DOWN' END
        WHEN a.outcome = 'FULFILLED'
        THEN CASE WHEN (p.amount, p.currency) <> (o.total_minor, o.currency) THEN 'AMOUNT'
                  WHEN p.received < p.amount OR p.refunded > 0 THEN 'NOT_PAID' END
        WHEN p.received > p.refunded THEN 'KEPT'
    END AS kind) d
    WHERE d.kind IS NOT NULL
$$;

-- A page of orders that were created since then, oldest first: with their payment if they are FULFILLED
-- and have rested for so long, else with NULL.
CREATE FUNCTION fulfilled_payments(
    p_after uuid[], p_since_s bigint[], p_settled_ms bigint[], p_limit int[])
RETURNS TABLE (ord int, order_id uuid, payment_id text) LANGUAGE sql STABLE AS $$
    SELECT (q.place - 1)::int, o.id,
           CASE WHEN o.state = 'FULFILLED'
                     AND o.update_time <= clock_timestamp() - q.settled_ms * interval '1 ms'
                THEN a.payment_id END
    FROM unnest(p_after, p_since_s, p_settled_ms, p_limit) WITH ORDINALITY
             AS q (after, since_s, settled_ms, size, place)
    CROSS JOIN LATERAL (
        SELECT * FROM orders
        WHERE id > q.after AND id >= uuid_at(to_timestamp(q.since_s))
        ORDER BY id LIMIT q.size) o
    LEFT JOIN attempt a ON a.order_id = o.id AND a.attempt = o.attempt
    ORDER BY q.place, o.id
$$;

CREATE FUNCTION finish_reconciliation(
    p_no_order bigint[], p_not_written_down bigint[], p_kept bigint[], p_amount bigint[],
    p_not_paid bigint[], p_missing bigint[])
RETURNS TABLE (ord int) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_no_order) LOOP
        UPDATE reconciliation SET
            done_time = clock_timestamp(), no_order = p_no_order[i],
            not_written_down = p_not_written_down[i], kept = p_kept[i], amount = p_amount[i],
            not_paid = p_not_paid[i], missing = p_missing[i];
        ord := i - 1;
        RETURN NEXT;
    END LOOP;
END $$;
