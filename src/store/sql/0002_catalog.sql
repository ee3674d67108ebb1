-- The catalogue's functions. All functions of this service take arrays, one element a request (or
-- several, with `ord`, the request's place, beside them), and answer rows that begin with `ord`,
-- counted from 0. What cannot be done is a row with its reason in `result`, never an exception.
--
-- Plans are kept by each session, and an empty table makes a plan that scans it; it would still be in
-- use when the table has a million rows. Hence enable_seqscan = off: every access is by an index.
--
-- Locks are always taken in this order, each set sorted: idempotency keys, orders, stock rows. Product
-- rows stand between orders and stock.

CREATE VIEW product_row AS
SELECT p.id, p.name, p.description, p.category, p.price_minor, p.currency, s.available, p.version,
       p.create_time, p.update_time, p.deleted
FROM product p JOIN stock s ON s.product_id = p.id;

CREATE TYPE product_result AS (
    ord int, result text, replayed boolean, id text, name text, description text, category text,
    price_minor bigint, currency text, available bigint, version bigint, create_time timestamptz,
    update_time timestamptz);

-- One row a request: its product as it is now, unless result names a refusal. p_leader: of a request
-- that shares the result of another one (its key came twice in one batch).
CREATE FUNCTION product_results(
    p_id text[], p_result text[], p_replayed boolean[], p_leader int[])
RETURNS SETOF product_result LANGUAGE sql STABLE AS $$
    SELECT (q.place - 1)::int,
           CASE WHEN q.result = 'OK' THEN coalesce(p_result[p_leader[q.place]], 'OK') ELSE q.result END,
           q.replayed, v.id, v.name, v.description, v.category,
           v.price_minor, v.currency, v.available, v.version, v.create_time, v.update_time
    FROM unnest(p_id, p_result, p_replayed) WITH ORDINALITY AS q (id, result, replayed, place)
    LEFT JOIN product_row v ON v.id = q.id AND NOT v.deleted
$$;

-- The keys of a batch about products, inserted in order. A row for every request that is not to be
-- carried out: its key stands already (result says whether for the same request), or came a second
-- time in this batch, after request `leader`, whose result it shares.
CREATE FUNCTION insert_product_keys(
    p_id text[], p_caller text[], p_method text[], p_request_id text[], p_hash bytea[])
RETURNS TABLE (place int, leader int, product_id text, result text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_key idempotency;
BEGIN
    FOR place, leader IN
        SELECT q.place, min(q.place) OVER (PARTITION BY q.caller, q.method, q.request_id)
        FROM unnest(p_caller, p_method, p_request_id)
             WITH ORDINALITY AS q (caller, method, request_id, place)
        WHERE q.request_id <> ''
        ORDER BY q.caller, q.method, q.request_id, q.place
    LOOP
        product_id := p_id[place];
        result := CASE WHEN p_hash[place] = p_hash[leader] THEN 'OK' ELSE 'KEY_REUSED' END;
        IF place > leader THEN
            RETURN NEXT;
            CONTINUE;
        END IF;
        INSERT INTO idempotency
        VALUES (p_caller[place], p_method[place], p_request_id[place], p_hash[place], NULL,
                product_id, clock_timestamp())
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT * INTO v_key FROM idempotency k
            WHERE (k.caller, k.method, k.request_id)
                = (p_caller[place], p_method[place], p_request_id[place]);
            product_id := v_key.product_id;
            result := CASE WHEN v_key.hash = p_hash[place] THEN 'OK' ELSE 'KEY_REUSED' END;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

-- What changed nothing leaves no key.
CREATE FUNCTION delete_product_keys(
    p_caller text[], p_method text[], p_request_id text[], p_result text[])
RETURNS void LANGUAGE sql VOLATILE AS $$
    DELETE FROM idempotency k
    USING unnest(p_caller, p_method, p_request_id, p_result) AS q (caller, method, request_id, result)
    WHERE q.result IN ('NOT_FOUND', 'EXISTS', 'BELOW_ZERO', 'OVERFLOW') AND q.request_id <> ''
      AND (k.caller, k.method, k.request_id) = (q.caller, q.method, q.request_id)
$$;

-- p_identity: made for this request before it was sent. It becomes the id of the initial stock's row,
-- by which a request that is sent again knows its own effect.
CREATE FUNCTION create_products(
    p_id text[], p_name text[], p_description text[], p_category text[], p_price_minor bigint[],
    p_currency text[], p_stock bigint[], p_identity uuid[], p_caller text[], p_method text[],
    p_request_id text[], p_hash bytea[])
RETURNS SETOF product_result LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_id text[] := p_id;
    v_result text[] := array_fill(NULL::text, ARRAY[cardinality(p_id)]);
    v_replayed boolean[] := array_fill(false, ARRAY[cardinality(p_id)]);
    v_leader int[];
    i int;
    k record;
BEGIN
    FOR k IN SELECT * FROM insert_product_keys(p_id, p_caller, p_method, p_request_id, p_hash) LOOP
        v_id[k.place] := k.product_id;
        v_result[k.place] := k.result;
        v_leader[k.place] := k.leader;
        v_replayed[k.place] := NOT EXISTS (
            SELECT FROM stock_adjustment WHERE id = p_identity[k.place]);
    END LOOP;

    FOR i IN SELECT place FROM unnest(p_id) WITH ORDINALITY AS q (id, place) ORDER BY id, place LOOP
        CONTINUE WHEN v_result[i] IS NOT NULL;
        INSERT INTO product (id, name, description, category, price_minor, currency)
        VALUES (p_id[i], p_name[i], p_description[i], p_category[i], p_price_minor[i], p_currency[i])
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            INSERT INTO stock VALUES (p_id[i], p_stock[i]);
            INSERT INTO stock_adjustment VALUES (p_identity[i], p_id[i], p_stock[i]);
            v_result[i] := 'OK';
        ELSIF EXISTS (SELECT FROM stock_adjustment WHERE id = p_identity[i]) THEN
            v_result[i] := 'OK';
        ELSE
            v_result[i] := 'EXISTS';
        END IF;
    END LOOP;

    PERFORM delete_product_keys(p_caller, p_method, p_request_id, v_result);
    RETURN QUERY SELECT * FROM product_results(v_id, v_result, v_replayed, v_leader);
END $$;

-- p_mask: bits of enum product_field. p_version 0: any.
CREATE FUNCTION update_products(
    p_id text[], p_mask int[], p_name text[], p_description text[], p_category text[],
    p_price_minor bigint[], p_currency text[], p_version bigint[])
RETURNS SETOF product_result LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_result text[];
    v_version bigint;
BEGIN
    PERFORM FROM product WHERE id = ANY (p_id) ORDER BY id FOR NO KEY UPDATE;
    FOR i IN 1 .. cardinality(p_id) LOOP
        SELECT version INTO v_version FROM product WHERE id = p_id[i] AND NOT deleted;
        IF NOT FOUND THEN
            v_result[i] := 'NOT_FOUND';
        ELSIF p_version[i] <> 0 AND p_version[i] <> v_version THEN
            v_result[i] := 'ETAG_MISMATCH';
        ELSE
            v_result[i] := 'OK';
            UPDATE product SET
                name = CASE WHEN p_mask[i] & 1 <> 0 THEN p_name[i] ELSE name END,
                description = CASE WHEN p_mask[i] & 2 <> 0 THEN p_description[i] ELSE description END,
                category = CASE WHEN p_mask[i] & 4 <> 0 THEN p_category[i] ELSE category END,
                price_minor = CASE WHEN p_mask[i] & 8 <> 0 THEN p_price_minor[i] ELSE price_minor END,
                currency = CASE WHEN p_mask[i] & 8 <> 0 THEN p_currency[i] ELSE currency END,
                version = version + 1,
                update_time = clock_timestamp()
            WHERE id = p_id[i] AND p_mask[i] <> 0;
        END IF;
    END LOOP;
    RETURN QUERY SELECT * FROM product_results(p_id, v_result,
        array_fill(false, ARRAY[cardinality(p_id)]), NULL);
END $$;

CREATE FUNCTION delete_products(p_id text[], p_version bigint[])
RETURNS TABLE (ord int, result text) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_version bigint;
BEGIN
    PERFORM FROM product WHERE id = ANY (p_id) ORDER BY id FOR NO KEY UPDATE;
    FOR i IN 1 .. cardinality(p_id) LOOP
        ord := i - 1;
        SELECT version INTO v_version FROM product WHERE id = p_id[i] AND NOT deleted;
        IF NOT FOUND THEN
            result := 'NOT_FOUND';
        ELSIF p_version[i] <> 0 AND p_version[i] <> v_version THEN
            result := 'ETAG_MISMATCH';
        ELSE
            result := 'OK';
            UPDATE product SET deleted = true, version = version + 1, update_time = clock_timestamp()
            WHERE id = p_id[i];
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- p_identity: made for this request before it was sent; a repeated one moves nothing.
CREATE FUNCTION adjust_stock(
    p_id text[], p_delta bigint[], p_identity uuid[], p_caller text[], p_method text[],
    p_request_id text[], p_hash bytea[])
RETURNS SETOF product_result LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_id text[] := p_id;
    v_result text[] := array_fill(NULL::text, ARRAY[cardinality(p_id)]);
    v_replayed boolean[] := array_fill(false, ARRAY[cardinality(p_id)]);
    v_leader int[];
    v_available bigint;
    k record;
BEGIN
    FOR k IN SELECT * FROM insert_product_keys(p_id, p_caller, p_method, p_request_id, p_hash) LOOP
        v_id[k.place] := k.product_id;
        v_result[k.place] := k.result;
        v_leader[k.place] := k.leader;
        v_replayed[k.place] := NOT EXISTS (
            SELECT FROM stock_adjustment WHERE id = p_identity[k.place]);
    END LOOP;

    PERFORM FROM stock WHERE product_id = ANY (p_id) ORDER BY product_id FOR NO KEY UPDATE;
    FOR i IN 1 .. cardinality(p_id) LOOP
        CONTINUE WHEN v_result[i] IS NOT NULL;
        SELECT available INTO v_available FROM product_row WHERE id = p_id[i] AND NOT deleted;
        IF NOT FOUND THEN
            v_result[i] := 'NOT_FOUND';
        ELSIF EXISTS (SELECT FROM stock_adjustment WHERE id = p_identity[i]) THEN
            v_result[i] := 'OK';
        ELSIF v_available::numeric + p_delta[i] < 0 THEN
            v_result[i] := 'BELOW_ZERO';
        ELSIF v_available::numeric + p_delta[i] > 9223372036854775807 THEN
            v_result[i] := 'OVERFLOW';
        ELSE
            v_result[i] := 'OK';
            UPDATE stock SET available = available + p_delta[i] WHERE product_id = p_id[i];
            INSERT INTO stock_adjustment VALUES (p_identity[i], p_id[i], p_delta[i]);
        END IF;
    END LOOP;

    PERFORM delete_product_keys(p_caller, p_method, p_request_id, v_result);
    RETURN QUERY SELECT * FROM product_results(v_id, v_result, v_replayed, v_leader);
END $$;
