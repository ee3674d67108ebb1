"""PostgreSQL makes a session's plans once, perhaps while a table is empty and known to be: they still must not go through all
of it when it has grown."""

import psycopg

import harness
from client import Refused, Shop, at_once, request_id, unique

NOBODY = "01890000-0000-7000-8000-00000000{:04d}"
ORDERS = 300
# A claim looks at its order, its attempt and its key a few times; going through all of them would be 150 on average, each time.
ROWS_AN_ORDER_MAX = 60


def test_plans_made_for_empty_tables_never_go_through_all_rows(own_orderd, postgres):
    url = postgres.create_database(unique("plans"))
    orderd = own_orderd(DATABASE_URL=url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    shop = Shop(orderd.grpc_addr)
    answers = at_once(20, lambda number: shop.process(NOBODY.format(number), request_id=request_id()))
    assert {answer.reason for answer in answers if isinstance(answer, Refused)} == {"ORDER_NOT_FOUND"}
    product = shop.product(stock=ORDERS)
    at_once(10, lambda _: [shop.place((product, 1)) for _ in range(ORDERS // 10)])
    assert shop.available(product) == 0
    shop.close()
    orderd.stop_clean()  # its sessions have told their numbers then
    with psycopg.connect(url, autocommit=True) as connection:
        sql = """SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN ('orders', 'attempt')"""
        read = harness.wait_until(lambda: connection.execute(sql).fetchone()[0], 10, "the numbers")
    assert read < ROWS_AN_ORDER_MAX * ORDERS, f"{read} rows were read for {ORDERS} orders"
