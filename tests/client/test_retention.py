"""Idempotency keys leave a running service once they are old enough."""

import re

import harness
from client import Shop, request_id, unique


def removed(orderd):
    return int(re.search(r"^idempotency_keys_removed_total (\d+)", orderd.metrics(), re.MULTILINE)[1])


def test_a_process_that_starts_removes_the_keys_that_are_old_enough(postgres, own_orderd):
    database = unique("retention")
    url = postgres.create_database(database)
    shop = Shop(own_orderd(DATABASE_URL=url).grpc_addr)
    product, old, young = shop.product(), request_id(), request_id()
    first = shop.create((product, 1), request_id=old)
    kept = shop.create((product, 1), request_id=young)
    postgres.psql(database, f"""UPDATE idempotency SET create_time = now() - interval '8 days'
                                WHERE request_id = '{old}'""")
    assert shop.create((product, 1), request_id=old).id == first.id
    started = own_orderd(DATABASE_URL=url)
    harness.wait_until(lambda: removed(started) == 1, harness.START_SECONDS, "the key to be removed")
    assert shop.create((product, 1), request_id=old).id != first.id
    assert shop.create((product, 1), request_id=young).id == kept.id
    assert shop.order(first) == first
    shop.close()
