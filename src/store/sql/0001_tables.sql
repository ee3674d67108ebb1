-- The tables: catalogue, stock, orders, attempts, events, idempotency keys.
--
-- Every invariant that SQL can hold is a CHECK here, so that a mistake in the program stops its own
-- order instead of being stored. There are no foreign keys on the tables of orders: the functions
-- write parent and child in one statement, nothing of an order is ever deleted, and the row locks of
-- foreign keys would cost more than they find.
--
-- Texts that are ids are COLLATE "C": they sort by bytes, alike in every database, and page tokens
-- and lock order depend on that.

CREATE TABLE secret (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);
-- The key of the page tokens, shared by all replicas: 32 bytes out of 244 bits of chance.
INSERT INTO secret VALUES ('page_token',
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- ---------------------------------------------------------------------------------------------------
-- Catalogue and stock

CREATE TABLE product (
    id          text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    name        text NOT NULL CHECK (name <> ''),
    description text NOT NULL,
    category    text COLLATE "C" NOT NULL
                CHECK (category = '' OR category ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    version     bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    deleted     boolean NOT NULL DEFAULT false, -- a tombstone: its id is not used again
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX product_of_category ON product (category, id) WHERE NOT deleted;

-- Narrow, and apart from what its owner sets: every order writes here. Half of each page is left free,
-- so that a new version of a row stays on its page and no index is touched.
CREATE TABLE stock (
    product_id text COLLATE "C" PRIMARY KEY REFERENCES product,
    available  bigint NOT NULL CHECK (available >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

-- Why the stock is what it is: the first row of a product is its initial stock. With the orders that
-- hold stock, their sum is what was available at any time. `id` is the identity of one request, so
-- that one that is sent again after a lost connection moves the stock once.
CREATE TABLE stock_adjustment (
    id          uuid PRIMARY KEY,
    product_id  text COLLATE "C" NOT NULL REFERENCES product,
    delta       bigint NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stock_adjustment_of_product ON stock_adjustment (product_id);

-- ---------------------------------------------------------------------------------------------------
-- Orders

-- One row an order, its lines as arrays: a change writes one row, and a read joins nothing. No column
-- that changes is in an index, and half of each page is left free, so that all changes are HOT.
CREATE TABLE orders (
    id               uuid PRIMARY KEY, -- UUIDv7: by time
    caller           text COLLATE "C" NOT NULL,
    customer_id      text COLLATE "C" NOT NULL,
    line_product     text[] NOT NULL,
    line_quantity    int[] NOT NULL,
    line_name        text[] NOT NULL,
    line_price_minor bigint[] NOT NULL,
    ship_recipient   text NOT NULL,
    ship_lines       text[] NOT NULL,
    ship_postal_code text NOT NULL,
    ship_locality    text NOT NULL,
    ship_area        text NOT NULL,
    ship_region      text NOT NULL,
    total_minor      bigint NOT NULL CHECK (total_minor > 0),
    currency         text NOT NULL CHECK (length(currency) = 3),
    state            text NOT NULL DEFAULT 'PENDING',
    revision         bigint NOT NULL DEFAULT 1 CHECK (revision >= 1),
    attempt          int NOT NULL DEFAULT 0,
    attempts_used    int NOT NULL DEFAULT 0, -- those that were refused or reached a provider
    generation       bigint NOT NULL DEFAULT 0 CHECK (generation >= 0), -- grows with every owner
    lease_until      timestamptz,            -- the owner's, while somebody works on the order
    cancel_wished    boolean NOT NULL DEFAULT false,
    advance_token    uuid,                   -- of the last advance, so that a repeated one is known
    create_time      timestamptz NOT NULL,
    update_time      timestamptz NOT NULL,
    CONSTRAINT orders_state CHECK (state IN (
        'PENDING', 'RESERVING', 'CHARGING', 'FULFILLING', 'FULFILLED', 'RECALLING', 'REFUNDING',
        'RELEASING', 'FAILED', 'CANCELLED', 'STUCK')),
    CONSTRAINT orders_lines CHECK (
        cardinality(line_product) BETWEEN 1 AND 100
        AND cardinality(line_quantity) = cardinality(line_product)
        AND cardinality(line_name) = cardinality(line_product)
        AND cardinality(line_price_minor) = cardinality(line_product)
        AND 0 < ALL (line_quantity) AND 0 <= ALL (line_price_minor)),
    CONSTRAINT orders_attempt CHECK (
        attempts_used BETWEEN 0 AND 20 AND attempts_used <= attempt AND generation >= attempt),
    CONSTRAINT orders_first_attempt CHECK (
        CASE attempt WHEN 0 THEN state IN ('PENDING', 'CANCELLED') ELSE state <> 'PENDING' END),
    CONSTRAINT orders_lease CHECK (
        lease_until IS NOT NULL
        OR state IN ('PENDING', 'FULFILLED', 'FAILED', 'CANCELLED', 'STUCK'))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX orders_of_customer ON orders (caller, customer_id, id);
CREATE INDEX orders_of_caller ON orders (caller, id);

-- What recovery needs of each attempt, so that a new owner continues the same clocks. `outcome` is
-- the state in which it came to rest; NULL while somebody works on it.
CREATE TABLE attempt (
    order_id         uuid NOT NULL,
    attempt          int NOT NULL CHECK (attempt >= 1),
    claim_token      uuid NOT NULL UNIQUE, -- of the claim that began it
    claim_generation bigint NOT NULL,
    method           text COLLATE "C", -- with request_id and the order's caller: the key that
    request_id       text COLLATE "C", -- began it; NULL without one
    payment_method   text NOT NULL,
    forward_until    timestamptz NOT NULL,
    fulfill_until    timestamptz,
    undo_since       timestamptz,
    tries            int NOT NULL DEFAULT 0, -- of the step in work
    payment_id       text,
    shipment_id      text,
    failure          jsonb,                  -- the first cause; domain/order.h says its form
    invites_retry    boolean NOT NULL DEFAULT false, -- the answer to `failure` does
    stuck_state      text,
    outcome          text,
    fulfill_time     timestamptz,
    PRIMARY KEY (order_id, attempt),
    CONSTRAINT attempt_outcome CHECK (outcome IN ('FULFILLED', 'FAILED', 'CANCELLED', 'STUCK')),
    CONSTRAINT attempt_fulfilled CHECK (
        outcome <> 'FULFILLED'
        OR (payment_id IS NOT NULL AND shipment_id IS NOT NULL AND fulfill_time IS NOT NULL
            AND failure IS NULL)),
    CONSTRAINT attempt_failed CHECK (outcome <> 'FAILED' OR failure IS NOT NULL),
    CONSTRAINT attempt_stuck CHECK (outcome <> 'STUCK' OR stuck_state IS NOT NULL),
    CONSTRAINT attempt_key CHECK ((method IS NULL) = (request_id IS NULL)),
    CONSTRAINT attempt_failure CHECK (failure ? 'reason')
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
-- An order is worked on in one attempt only; and the recovery pass finds what is under way here
-- instead of in an index on orders, which would be written with every renewed lease.
CREATE UNIQUE INDEX attempt_open ON attempt (order_id) WHERE outcome IS NULL;

-- Every change of an order: audit trail, what watchers read, outbox.
CREATE TABLE order_event (
    order_id    uuid NOT NULL,
    revision    bigint NOT NULL,
    attempt     int NOT NULL,
    state       text NOT NULL,
    step        text, -- that ended or progressed with it; NULL: none
    outcome     text NOT NULL,
    tries       int NOT NULL,
    external_id text,
    failure     jsonb,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (order_id, revision),
    CONSTRAINT order_event_step CHECK (step IN (
        'RESERVE', 'CHARGE', 'FULFILL', 'RECALL', 'REFUND', 'RELEASE')),
    CONSTRAINT order_event_outcome CHECK (outcome IN ('RUNNING', 'DONE', 'REFUSED', 'UNKNOWN'))
);

-- ---------------------------------------------------------------------------------------------------
-- Idempotency keys. The primary key decides who was first. Which attempt an order's key began stands
-- with the attempt, so a key's row is written once.

CREATE TABLE idempotency (
    caller      text COLLATE "C" NOT NULL,
    method      text COLLATE "C" NOT NULL,
    request_id  text COLLATE "C" NOT NULL,
    hash        bytea NOT NULL CHECK (length(hash) = 32),
    order_id    uuid,
    product_id  text COLLATE "C",
    create_time timestamptz NOT NULL,
    PRIMARY KEY (caller, method, request_id),
    CONSTRAINT idempotency_object CHECK (num_nonnulls(order_id, product_id) = 1)
);
-- Rows leave in the order they came: a block range index costs next to nothing.
CREATE INDEX idempotency_by_time ON idempotency USING brin (create_time);
