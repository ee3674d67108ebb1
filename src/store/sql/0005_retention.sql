-- Idempotency keys leave when nobody can want them any more.

-- Oldest first and a bounded number at a time needs an order that the block range index does not have:
-- with it a pass sorts all that is due (half a second for 400,000 keys), and its summaries never
-- narrow, so that in the end it finds every block. The index below costs three microseconds a key.
CREATE INDEX idempotency_by_age ON idempotency (create_time);
DROP INDEX idempotency_by_time;

-- Removes at most p_limit keys that are older than p_age_ms by the database's clock. It waits for nobody:
-- what another replica is removing is left to it. Keys stay while somebody works on their order, a
-- person included (STUCK): the answer they stand for is not there yet.
--
-- The state is a subquery and no join, so that it is asked of a thousand orders instead of all.
--
-- No order is locked. When one is processed again by its old key in this moment, the key goes and the
-- attempt names it all the same.
CREATE FUNCTION remove_old_keys(p_limit int[], p_age_ms bigint[])
RETURNS TABLE (ord int, removed int) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_before timestamptz;
BEGIN
    FOR i IN 1 .. cardinality(p_limit) LOOP
        v_before := clock_timestamp() - p_age_ms[i] * interval '1 ms';
        DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
            SELECT k.ctid FROM idempotency k
            WHERE k.create_time < v_before
              AND coalesce((SELECT o.state FROM orders o WHERE o.id = k.order_id), 'FULFILLED')
                  IN ('PENDING', 'FULFILLED', 'FAILED', 'CANCELLED')
            ORDER BY k.create_time LIMIT p_limit[i]
            FOR UPDATE OF k SKIP LOCKED));
        ord := i - 1;
        GET DIAGNOSTICS removed = ROW_COUNT;
        RETURN NEXT;
    END LOOP;
END $$;
