-- Positions for the events that were there before 0007_events. In a transaction of its own, with no lock
-- that anybody meets: what is inserted meanwhile has its position. A million events take about a minute
-- on a small machine, and twice their room until the next vacuum.
--
-- By time, but those of an order by revision, also where a clock was set back between two of them.
UPDATE order_event e SET position = n.position
FROM (SELECT order_id, revision, 1 + row_number() OVER (ORDER BY time, order_id, revision) AS position
      FROM (SELECT order_id, revision,
                   max(create_time) OVER (PARTITION BY order_id ORDER BY revision) AS time
            FROM order_event WHERE position IS NULL) t) n
WHERE e.order_id = n.order_id AND e.revision = n.revision;

ALTER TABLE order_event VALIDATE CONSTRAINT order_event_has_position;
