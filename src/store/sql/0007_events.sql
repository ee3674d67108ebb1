-- The feed of events (shop.v1.OrderEvents): every event gets a position, by which all of them are read in
-- one order, and after which reading resumes.
--
-- In order: a position is drawn when the event is inserted, and whoever inserts one has changed the
-- order's row in the same transaction and holds it locked until he commits. So a later change of the
-- same order draws later, and its position is greater: sequences without a cache, as this one, only
-- grow. (By ids of transactions that would not hold: they are given at a transaction's first write,
-- which may be long before it gets to this order.)
--
-- Nothing skipped: positions are drawn before they are committed, so the greatest one that can be seen
-- may have smaller ones before it that are still to come. event_horizon() says up to where none is.
-- It costs the order flow nothing; this column costs it an index in which each entry is the last.
--
-- Written for a database at work: old programs go on inserting. The table is locked as long as it takes
-- to read it twice; the events that are there get their positions in the next file, without a lock.

CREATE SEQUENCE order_event_position AS bigint;
ALTER TABLE order_event ADD COLUMN position bigint;
ALTER SEQUENCE order_event_position OWNED BY order_event.position;

-- Room is left for the events that are there. 1 is nobody's: it says "before all of them".
SELECT setval('order_event_position', 1 + count(*)) FROM order_event;
ALTER TABLE order_event
    ALTER COLUMN position SET DEFAULT nextval('order_event_position'),
    ADD CONSTRAINT order_event_has_position CHECK (position IS NOT NULL) NOT VALID;
CREATE UNIQUE INDEX order_event_by_position ON order_event (position) WHERE position IS NOT NULL;

-- How far the feed is complete: no event will come any more whose position is at most `complete`. A reader
-- who reads no further misses none.
--
-- The greatest position that can be seen, M, was drawn after all smaller ones, each by a transaction
-- that had its id already, for it had written to the order. So an id that is drawn after M was seen, the
-- fence, is greater than those of all of them; and once every transaction below the fence has ended,
-- those below M are committed and seen, or will never be. (The snapshot's xmax would not do for a fence:
-- it is the successor of the last id that has ended, not of the last one given.)
--
-- What was found by the last look is given to the next one: complete, M (pending) and fence, first all
-- 0. Each statement here has a snapshot of its own. Positions come from rows that are committed, not from
-- the sequence, which after a crash may repeat what nobody committed.
--
-- Ids are given by the whole server: a long transaction that writes, in another database too, delays the
-- feed until it has ended. One that only reads, such as pg_dump, has no id. While nothing happens, a look
-- writes nothing. A fence that has not been reached is of another server's time (a standby has taken
-- over, which had not seen all), and is drawn again.
CREATE FUNCTION event_horizon(p_complete bigint[], p_pending bigint[], p_fence bigint[])
RETURNS TABLE (ord int, complete bigint, pending bigint, fence bigint, newest bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_snapshot pg_snapshot;
BEGIN
    FOR i IN 1 .. cardinality(p_complete) LOOP
        ord := i - 1;
        complete := p_complete[i];
        pending := p_pending[i];
        fence := p_fence[i];

        v_snapshot := pg_current_snapshot();
        IF pg_snapshot_xmin(v_snapshot)::text::bigint >= fence THEN
            complete := greatest(complete, pending);
        END IF;

        newest := coalesce((SELECT max(e.position) FROM order_event e), 0);
        IF newest > complete AND
           (pending <= complete OR pg_snapshot_xmax(v_snapshot)::text::bigint <= fence) THEN
            pending := newest;
            fence := pg_current_xact_id()::text::bigint;
            v_snapshot := pg_current_snapshot();
            IF pg_snapshot_xmin(v_snapshot)::text::bigint >= fence THEN
                complete := pending;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
