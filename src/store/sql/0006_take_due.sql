-- Orders whose owner has gone, as before; but what to look at is planned anew each time.
--
-- A plan that a session made while the tables were empty pairs every attempt with every order: with ten
-- thousand orders in flight the pass took ten seconds. How many are open changes by the second, and
-- the pass comes once a second, so a plan a pass costs nothing.
CREATE OR REPLACE FUNCTION take_due(p_limit int[], p_lease_ms bigint[])
RETURNS SETOF record_result LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_id uuid[];
    v_attempt int[];
BEGIN
    FOR i IN 1 .. cardinality(p_limit) LOOP
        EXECUTE '
            SELECT array_agg(d.id), array_agg(d.attempt)
            FROM (SELECT o.id, o.attempt
                  FROM attempt a JOIN orders o ON o.id = a.order_id AND o.attempt = a.attempt
                  WHERE a.outcome IS NULL AND o.lease_until < clock_timestamp()
                  ORDER BY o.lease_until LIMIT $1
                  FOR NO KEY UPDATE OF o SKIP LOCKED) d'
        INTO v_id, v_attempt USING p_limit[i];
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
