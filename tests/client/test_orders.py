"""An order goes through: reserved, charged and shipped, once; or nothing of it happened."""

import pytest

from ledger import assert_nothing_happened, payments_of, shipments_of
from client import Order, OrderStep, address, at_once, catalog, money, orders, refused, request_id, until_told

KINDS = OrderStep.Kind


def steps(order):
    return [(KINDS.Name(step.kind), OrderStep.Outcome.Name(step.outcome)) for step in order.steps]


def assert_fulfilled(shop, sandbox, confirmation, total):
    """V2: one payment over the right amount, one shipment, and everybody says the same."""
    order = shop.order(confirmation.order_id)
    assert order.state == Order.FULFILLED
    assert (order.total, order.payment_id, order.shipment_id) == (
        confirmation.total, confirmation.payment_id, confirmation.shipment_id)
    assert confirmation.total == total
    assert confirmation.fulfill_time.seconds > 0
    assert not order.HasField("failure")
    assert steps(order) == [("RESERVE", "DONE"), ("CHARGE", "DONE"), ("FULFILL", "DONE")]
    payment, = payments_of(sandbox, order)
    assert payment["id"] == order.payment_id
    assert payment["status"] == "succeeded"
    assert payment["received"] == payment["amount"] == total.units * 100 + total.nanos // 10_000_000
    assert payment["currency"] == total.currency_code.lower()
    assert (payment["confirmed_count"], payment["refunded"]) == (1, 0)
    shipment, = shipments_of(sandbox, order)
    assert (shipment["id"], shipment["state"]) == (order.shipment_id, "ACCEPTED")
    assert shipment["created_count"] == 1
    return order


def assert_failed(shop, sandbox, order_id, reason):
    """V3: nothing is held, and the order says why."""
    order = shop.order_at_rest(order_id)
    assert order.state == Order.FAILED
    assert order.failure.code != 0
    assert reason in str(order.failure.details[0].value)
    assert_nothing_happened(sandbox, order)
    return order


# ------------------------------------------------------------------------------------ created orders


def test_an_order_that_was_created_waits_with_the_prices_of_then(shop):
    product = shop.product(stock=5, price=money(10), name="Lamp")
    order = shop.create((product, 2))
    assert order.state == Order.PENDING
    assert order.total == money(20)
    assert (order.lines[0].name, order.lines[0].unit_price) == ("Lamp", money(10))
    assert order.ship_to.recipient == "Ada Lovelace"
    assert (order.attempt, len(order.steps), order.payment_id) == (0, 0, "")
    assert order.revision > 0 and order.etag
    assert shop.order(order) == order
    assert shop.available(product) == 5


def test_an_order_of_unknown_products_is_refused(shop):
    with refused("NOT_FOUND", "PRODUCT_NOT_FOUND"):
        shop.create((shop.product(), 1), ("no-such-product", 1))


@pytest.mark.parametrize("order_id", ["01890000-0000-7000-8000-000000000000", "not-an-order", "x" * 500])
def test_an_order_nobody_created_is_not_found(shop, order_id):
    with refused("NOT_FOUND", "ORDER_NOT_FOUND"):
        shop.order(order_id)
    with refused("NOT_FOUND", "ORDER_NOT_FOUND"):
        shop.process(order_id)


def test_an_order_without_an_id_cannot_be_asked_for(shop):
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.order("")
    assert error.value.fields == ["id"]


def test_an_order_keeps_the_price_it_was_created_with(shop, sandbox):
    product = shop.product(price=money(10))
    order = shop.create((product, 1))
    shop.catalog.UpdateProduct(catalog.UpdateProductRequest(product=catalog.Product(id=product.id, price=money(99))))
    assert_fulfilled(shop, sandbox, shop.process(order), money(10))


# ----------------------------------------------------------------------------------- going through


def test_processing_an_order_takes_stock_money_and_ships_once(shop, sandbox):
    desk, lamp = shop.product(stock=10), shop.product(stock=10, price=money(3))
    order = shop.create((desk, 2), (lamp, 1))
    confirmation = shop.process(order)
    assert confirmation.order_id == order.id
    fulfilled = assert_fulfilled(shop, sandbox, confirmation, money(28))
    assert fulfilled.attempt == 1
    assert fulfilled.revision > order.revision
    assert (shop.available(desk), shop.available(lamp)) == (8, 9)


def test_placing_an_order_creates_and_processes_it(shop, sandbox):
    product = shop.product(stock=3)
    confirmation = shop.place((product, 3), customer_id="grace")
    order = assert_fulfilled(shop, sandbox, confirmation, money(37, 500_000_000))
    assert order.customer_id == "grace"
    assert shop.available(product) == 0


def test_currencies_without_cents_are_charged_as_they_are(shop, sandbox):
    product = shop.product(price=money(980, currency="JPY"))
    confirmation = shop.place((product, 2))
    assert confirmation.total == money(1960, currency="JPY")
    payment, = payments_of(sandbox, shop.order(confirmation.order_id))
    assert (payment["received"], payment["currency"]) == (1960, "jpy")


def test_processing_a_fulfilled_order_again_repeats_the_confirmation(shop, sandbox):
    product = shop.product(stock=5)
    order = shop.create((product, 1))
    confirmation = shop.process(order)
    assert shop.process(order) == confirmation
    assert shop.process(order, card="pm_card_chargeDeclined", request_id=request_id()) == confirmation
    assert_fulfilled(shop, sandbox, confirmation, money(12, 500_000_000))
    assert shop.available(product) == 4


# ------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize("card, reason, decline_code", [
    ("pm_card_chargeDeclined", "PAYMENT_DECLINED", "generic_decline"),
    ("pm_card_chargeDeclinedInsufficientFunds", "PAYMENT_DECLINED", "insufficient_funds"),
    ("pm_card_authenticationRequired", "PAYMENT_ACTION_REQUIRED", None),
    ("pm_card_noSuchCard", "PAYMENT_METHOD_INVALID", None),
])
def test_a_card_that_does_not_pay_fails_the_order_and_gives_the_stock_back(shop, sandbox, card, reason, decline_code):
    product = shop.product(stock=4)
    order = shop.create((product, 3))
    with refused("FAILED_PRECONDITION", reason) as error:
        shop.process(order, card=card)
    assert error.value.metadata["orderId"] == order.id
    assert error.value.metadata.get("declineCode") == decline_code
    assert error.value.retry is None
    failed = assert_failed(shop, sandbox, order.id, reason)
    assert ("CHARGE", "REFUSED") in steps(failed)
    assert shop.available(product) == 4


def test_a_declined_place_order_names_the_order_it_left_behind(shop, sandbox):
    product = shop.product(stock=1)
    with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED") as error:
        shop.place((product, 1), payment_method="pm_card_chargeDeclined")
    assert_failed(shop, sandbox, error.value.metadata["orderId"], "PAYMENT_DECLINED")
    assert shop.available(product) == 1


def test_every_short_line_of_an_order_out_of_stock_is_named(shop, sandbox):
    plenty, short, none = shop.product(stock=50), shop.product(stock=1), shop.product(stock=0)
    order = shop.create((plenty, 10), (short, 2), (none, 1))
    with refused("FAILED_PRECONDITION", "OUT_OF_STOCK") as error:
        shop.process(order)
    assert len(error.value.preconditions) == 2
    text = str(error.value.preconditions)
    assert short.id in text and none.id in text and plenty.id not in text
    assert_failed(shop, sandbox, order.id, "OUT_OF_STOCK")
    assert payments_of(sandbox, order) == []
    assert [shop.available(product) for product in (plenty, short, none)] == [50, 1, 0]


def test_two_lines_of_the_same_product_are_summed(shop):
    product = shop.product(stock=5)
    with refused("FAILED_PRECONDITION", "OUT_OF_STOCK") as error:
        shop.place((product, 3), (product, 3))
    assert len(error.value.preconditions) == 1
    assert shop.available(product) == 5
    shop.place((product, 2), (product, 3))
    assert shop.available(product) == 0


def test_a_refused_shipment_gives_money_and_stock_back(shop, sandbox):
    product = shop.product(stock=2)
    order = shop.create((product, 2), ship_to=address(region_code="ZZ"))  # the sandbox ships nothing there
    with refused("FAILED_PRECONDITION", "FULFILLMENT_REJECTED"):
        shop.process(order)
    failed = assert_failed(shop, sandbox, order.id, "FULFILLMENT_REJECTED")
    assert ("FULFILL", "REFUSED") in steps(failed)
    payment, = payments_of(sandbox, order)
    assert (payment["confirmed_count"], payment["received"], payment["refunded"]) == (1, 2500, 2500)
    assert shop.available(product) == 2


def test_a_product_deleted_since_fails_the_order(shop, sandbox):
    product = shop.product()
    order = shop.create((product, 1))
    shop.catalog.DeleteProduct(catalog.DeleteProductRequest(id=product.id))
    with refused("FAILED_PRECONDITION", "PRODUCT_NOT_FOUND"):
        shop.process(order)
    assert_failed(shop, sandbox, order.id, "PRODUCT_NOT_FOUND")


def test_a_failed_order_can_be_processed_again_with_another_card(shop, sandbox):
    product = shop.product(stock=1)
    order = shop.create((product, 1))
    with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
        shop.process(order, card="pm_card_chargeDeclined")
    confirmation = shop.process(order)
    fulfilled = shop.order(order)
    assert (fulfilled.state, fulfilled.attempt) == (Order.FULFILLED, 2)
    assert steps(fulfilled) == [("RESERVE", "DONE"), ("CHARGE", "DONE"), ("FULFILL", "DONE")]
    paid = [payment for payment in payments_of(sandbox, order) if payment["status"] == "succeeded"]
    assert [payment["id"] for payment in paid] == [confirmation.payment_id]
    assert shop.available(product) == 0


# ------------------------------------------------------------------------------------- idempotency


def test_a_repeated_request_id_repeats_the_confirmation_and_charges_once(shop, sandbox):
    product, key = shop.product(stock=5), request_id()
    first = shop.place((product, 1), request_id=key)
    assert shop.place((product, 1), request_id=key) == first
    assert_fulfilled(shop, sandbox, first, money(12, 500_000_000))
    assert shop.available(product) == 4


def test_a_repeated_request_id_repeats_the_refusal(shop):
    product, key = shop.product(stock=5), request_id()
    for replayed in (None, "true"):
        with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED") as error:
            shop.place((product, 1), request_id=key, payment_method="pm_card_chargeDeclined")
        assert dict(error.value.trailers).get("idempotent-replayed") == replayed
    assert error.value.metadata["declineCode"] == "generic_decline"


def test_a_request_id_with_another_payload_is_refused(shop):
    product, key = shop.product(stock=5), request_id()
    shop.place((product, 1), request_id=key)
    with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
        shop.place((product, 2), request_id=key)
    with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
        shop.place((product, 1), request_id=key, payment_method="pm_card_mastercard")
    assert shop.available(product) == 4


def test_a_repeated_request_id_creates_one_order(shop):
    product, key = shop.product(), request_id()
    order = shop.create((product, 1), request_id=key)
    assert shop.create((product, 1), request_id=key) == order
    with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
        shop.create((product, 2), request_id=key)


def test_a_repeated_request_id_of_process_order_repeats_the_answer(shop):
    order, key = shop.create((shop.product(), 1)), request_id()
    first = shop.process(order, request_id=key)
    assert shop.process(order, request_id=key) == first
    with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
        shop.process(order, card="pm_card_mastercard", request_id=key)


def test_the_same_request_at_the_same_time_orders_once(shop, sandbox):
    product, key = shop.product(stock=9), request_id()
    answers = at_once(20, lambda _: shop.place((product, 1), request_id=key))
    assert all(answer == answers[0] for answer in answers), answers
    assert_fulfilled(shop, sandbox, answers[0], money(12, 500_000_000))
    assert shop.available(product) == 8


# ------------------------------------------------------------------------------------- concurrency


def test_of_a_hundred_callers_for_fifty_units_exactly_fifty_get_one(shop, sandbox):
    product = shop.product(stock=50)
    answers = at_once(100, lambda _: shop.place((product, 1), timeout=60))
    confirmed = [answer for answer in answers if isinstance(answer, orders.OrderConfirmation)]
    reasons = {answer.reason for answer in answers if not isinstance(answer, orders.OrderConfirmation)}
    assert (len(confirmed), reasons) == (50, {"OUT_OF_STOCK"})
    assert shop.available(product) == 0
    assert len({answer.payment_id for answer in confirmed}) == 50
    assert len({answer.shipment_id for answer in confirmed}) == 50
    assert_fulfilled(shop, sandbox, confirmed[-1], money(12, 500_000_000))


def test_orders_that_share_products_in_any_order_do_not_block_each_other(shop):
    products = [shop.product(stock=100) for _ in range(4)]

    def place(index):
        chosen = [products[(index + step) % 4] for step in range(3)]
        return shop.place(*[(product, 1) for product in (chosen if index % 2 else reversed(chosen))], timeout=60)
    answers = at_once(40, place)
    assert all(isinstance(answer, orders.OrderConfirmation) for answer in answers), answers
    assert sum(shop.available(product) for product in products) == 400 - 3 * 40


def test_two_calls_for_one_order_fulfil_it_once(shop, sandbox):
    product = shop.product(stock=5)
    order = shop.create((product, 1))
    answers = at_once(5, lambda _: shop.process(order))
    confirmed = [answer for answer in answers if isinstance(answer, orders.OrderConfirmation)]
    others = [answer for answer in answers if not isinstance(answer, orders.OrderConfirmation)]
    assert confirmed
    assert {(error.code, error.reason) for error in others} <= {("ABORTED", "ORDER_IN_PROGRESS")}
    assert all(error.retry is not None for error in others)
    assert_fulfilled(shop, sandbox, confirmed[0], money(12, 500_000_000))
    assert shop.available(product) == 4


# ----------------------------------------------------------------------------------------- deadlines


def test_nothing_is_taken_for_a_caller_with_less_than_a_second(shop, sandbox):
    product = shop.product(stock=5)
    order = shop.create((product, 1))
    with refused("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT"):
        until_told(lambda: shop.process(order, timeout=0.95))
    assert shop.order(order) == order
    assert payments_of(sandbox, order) == []
    customer = f"hasty-{order.id}"
    with refused("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT"):
        until_told(lambda: shop.place((product, 1), timeout=0.95, customer_id=customer))
    assert not shop.orders.ListOrders(orders.ListOrdersRequest(customer_id=customer)).orders
    assert shop.available(product) == 5
