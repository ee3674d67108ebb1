"""Requests that are wrong: everything that is wrong with them is told at once, by field."""

import pytest

from client import (OrderLine, Product, address, catalog, lines, money, orders, refused, request_id, unique)


def test_all_violations_of_a_product_are_told_at_once(shop):
    product = Product(id="Not An Id", name="", category="Desks & chairs", price=money(-1))
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.catalog.CreateProduct(
            catalog.CreateProductRequest(product=product, initial_stock=-1, request_id="has blanks"))
    assert set(error.value.fields) == {
        "product.id", "product.name", "product.category", "product.price.units", "request_id", "initial_stock"}
    assert all(violation.description for violation in error.value.violations)


def test_all_violations_of_an_order_are_told_at_once(shop):
    request = orders.PlaceOrderRequest(
        customer_id="Ada!", payment_method="4242424242424242", request_id="",
        lines=[OrderLine(product_id="walnut-desk", quantity=1), OrderLine(product_id="", quantity=0),
               OrderLine(product_id="x", quantity=10_001)],
        ship_to=orders.Address(recipient="", region_code="gb"))
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.orders.PlaceOrder(request)
    assert set(error.value.fields) == {
        "customer_id", "lines[1].product_id", "lines[1].quantity", "lines[2].quantity", "ship_to.recipient",
        "ship_to.address_lines", "ship_to.region_code", "payment_method", "request_id"}
    assert "4242" not in str(error.value.status)


def test_an_empty_order_names_what_is_missing(shop):
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.orders.CreateOrder(orders.CreateOrderRequest())
    assert set(error.value.fields) == {"customer_id", "lines", "ship_to"}


def test_place_order_without_a_request_id_is_refused(shop):
    product = shop.product()
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.place((product, 1), request_id="")
    assert error.value.fields == ["request_id"]


def test_hundreds_of_violations_still_fit_the_trailers(shop):
    request = orders.CreateOrderRequest(customer_id="!", lines=[OrderLine(product_id="?" * 60)] * 100)
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.orders.CreateOrder(request)
    assert error.value.fields[0] == "customer_id"
    assert len(error.value.fields) > 3
    assert "more" in error.value.violations[-1].description


# ------------------------------------------------------------------------------------------- limits


def order_with(shop, **fields):
    fields = {"customer_id": "ada", "lines": lines((shop.product(), 1)), "ship_to": address(), **fields}
    return shop.orders.CreateOrder(orders.CreateOrderRequest(**fields))


def product_with(shop, **fields):
    return shop.product(**fields)


@pytest.mark.parametrize("make, field, largest, too_large", [
    (product_with, "id", "p" * 63, "p" * 64),
    (product_with, "name", "ä" * 200, "ä" * 201),
    (product_with, "description", "机" * 4000, "机" * 4001),
    (product_with, "category", "c" * 63, "c" * 64),
    (order_with, "customer_id", "c" * 63, "c" * 64),
    (order_with, "request_id", "r" * 255, "r" * 256),
], ids=["id", "name", "description", "category", "customer_id", "request_id"])
def test_a_text_has_a_longest_length(shop, make, field, largest, too_large):
    make(shop, **{field: largest})
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        make(shop, **{field: too_large})
    assert [path.rpartition(".")[2] for path in error.value.fields] == [field]


@pytest.mark.parametrize("changes, too_much, field", [
    ({"recipient": "r" * 200}, {"recipient": "r" * 201}, "ship_to.recipient"),
    ({"address_lines": ["a"] * 4}, {"address_lines": ["a"] * 5}, "ship_to.address_lines"),
    ({"address_lines": ["a" * 200]}, {"address_lines": ["a", "a" * 201]}, "ship_to.address_lines[1]"),
    ({"postal_code": "1" * 200}, {"postal_code": "1" * 201}, "ship_to.postal_code"),
], ids=["recipient", "address_lines", "address_line", "postal_code"])
def test_an_address_has_limits(shop, changes, too_much, field):
    order_with(shop, ship_to=address(**changes))
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        order_with(shop, ship_to=address(**too_much))
    assert error.value.fields == [field]


def test_an_order_has_at_most_a_hundred_lines(shop):
    product = shop.product()
    assert len(shop.create(*[(product, 1)] * 100).lines) == 100
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.create(*[(product, 1)] * 101)
    assert error.value.fields == ["lines"]


def test_a_line_has_one_to_ten_thousand_units(shop):
    product = shop.product()
    for quantity in (1, 10_000):
        assert shop.create((product, quantity)).lines[0].quantity == quantity
    for quantity in (0, -1, 10_001):
        with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
            shop.create((product, quantity))
        assert error.value.fields == ["lines[0].quantity"]


def test_a_batch_has_one_to_a_hundred_different_ids(shop):
    prefix = unique("batch")
    products = [shop.product(id=f"{prefix}-{index}").id for index in range(100)]
    answer = shop.catalog.BatchGetProducts(catalog.BatchGetProductsRequest(ids=products))
    assert [product.id for product in answer.products] == products
    for ids, fields in (([], ["ids"]), (products + ["one-more"], ["ids"]), (["a", "b", "a"], ["ids[2]"])):
        with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
            shop.catalog.BatchGetProducts(catalog.BatchGetProductsRequest(ids=ids))
        assert error.value.fields == fields


def padded(size):
    """A GetProductRequest of that many bytes; the padding is a field nobody knows."""
    head = catalog.GetProductRequest(id="no-such-product").SerializeToString() + b"\x9a\x06"  # field 99
    for width in (1, 2, 3):
        length = size - len(head) - width
        varint = bytes((length >> 7 * i & 0x7f) | (0x80 if i < width - 1 else 0) for i in range(width))
        if length < 1 << 7 * width:
            break
    message = head + varint + b"x" * length
    assert len(message) == size
    return message


def test_a_message_has_at_most_256_kib(shop):
    path = "/shop.v1.Catalog/GetProduct"
    with refused("NOT_FOUND", "PRODUCT_NOT_FOUND"):
        shop.raw(path, padded(256 * 1024))
    with refused("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"):
        shop.raw(path, padded(256 * 1024 + 1))


@pytest.mark.parametrize("bytes_", [b"\x0a", b"\x0a\x05ab", b"\x00", b"\x0d\x01", b"\xff" * 20],
                         ids=["no length", "cut", "tag 0", "wrong wire type", "garbage"])
def test_bytes_that_are_no_message_are_refused(shop, bytes_):
    with refused("INVALID_ARGUMENT", "MESSAGE_INVALID"):
        shop.raw("/shop.v1.Catalog/GetProduct", bytes_)


# --------------------------------------------------------------------------------------------- text

BROKEN_TEXTS = {"NUL": b"a\x00b", "not UTF-8": b"a\xff", "cut": b"\xe2\x82", "overlong": b"\xc0\xaf",
                "surrogate": b"\xed\xa0\x80"}


def field(number, value):
    return bytes([number << 3 | 2, len(value)]) + value


@pytest.mark.parametrize("text", BROKEN_TEXTS.values(), ids=BROKEN_TEXTS.keys())
def test_a_text_that_is_not_utf8_or_holds_nul_is_refused_by_name(shop, text):
    line = field(1, b"walnut-desk") + b"\x10\x01"
    bad_line = field(1, text) + b"\x10\x01"
    ship_to = field(1, b"Ada") + field(2, text) + field(6, b"GB")
    request = field(1, b"ada") + field(2, line) + field(2, bad_line) + field(3, ship_to) + field(4, text)
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.raw("/shop.v1.Orders/CreateOrder", request)
    assert error.value.fields == ["lines[1].product_id", "ship_to.address_lines[0]", "request_id"]


def test_a_nul_does_not_cut_an_id(shop):
    product = shop.product()
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.raw("/shop.v1.Catalog/GetProduct", field(1, product.id.encode() + b"\x00x"))
    assert error.value.fields == ["id"]


def test_a_request_id_is_visible_ascii(shop):
    product = shop.product()
    for key in ("with blank", "tab\t", "ümlaut"):
        with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
            shop.place((product, 1), request_id=key)
        assert error.value.fields == ["request_id"]
    shop.create((product, 1), request_id="!~" + request_id())


# -------------------------------------------------------------------------------------------- money


@pytest.mark.parametrize("price, field_name", [
    (money(100, 500_000_000, "JPY"), "nanos"),
    (money(1, 5_000_000), "nanos"),
    (money(1, 1), "nanos"),
    (money(1, -10_000_000), "nanos"),
    (money(1, 1_000_000_000), "nanos"),
    (money(-1), "units"),
    (money(0, -10_000_000), "nanos"),
    (money(1, currency="eur"), "currency_code"),
    (money(1, currency="XYZ"), "currency_code"),
    (money(1, currency=""), "currency_code"),
    (money(2**63 - 1), "units"),
], ids=["yen have no sen", "half a cent", "a nano", "two signs", "a whole unit of nanos", "negative", "negative cents",
        "lower case", "unknown", "no currency", "too many cents"])
def test_a_price_that_is_no_money_is_refused(shop, price, field_name):
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.product(price=price)
    assert error.value.fields == [f"product.price.{field_name}"]


@pytest.mark.parametrize("price", [money(100, 0, "JPY"), money(1, 5_000_000, "BHD"), money(0, 10_000_000),
                                   money(92_233_720_368_547_758, 70_000_000), money(0)],
                         ids=["yen", "fils", "a cent", "the largest", "free"])
def test_a_price_is_kept_as_it_was_given(shop, price):
    assert shop.product(price=price).price == price


def test_the_total_is_the_sum_of_the_lines(shop):
    cheap, dear = shop.product(price=money(0, 990_000_000)), shop.product(price=money(1_234_567, 10_000_000))
    order = shop.create((cheap, 7), (dear, 3), (cheap, 1))
    assert order.total == money(3_703_708, 950_000_000)
    assert order.lines[0].unit_price == cheap.price
    yen = shop.product(price=money(980, currency="JPY"))
    assert shop.create((yen, 3)).total == money(2940, currency="JPY")


def test_a_total_that_cannot_be_represented_is_out_of_range(shop):
    product = shop.product(price=money(92_233_720_368_547_758))
    shop.create((product, 1))
    with refused("OUT_OF_RANGE", "MONEY_OVERFLOW"):
        shop.create((product, 2))


def test_an_order_has_one_currency(shop):
    euro, yen = shop.product(), shop.product(price=money(100, currency="JPY"))
    with refused("INVALID_ARGUMENT", "CURRENCY_MIXED"):
        shop.create((euro, 1), (yen, 1))


def test_an_order_that_costs_nothing_is_refused(shop):
    with refused("INVALID_ARGUMENT", "ORDER_TOTAL_ZERO"):
        shop.create((shop.product(price=money(0)), 3))
