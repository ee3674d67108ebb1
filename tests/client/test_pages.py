"""Lists, page by page: by token and by number."""

import pytest

from client import Order, catalog, orders, refused, unique


@pytest.fixture(scope="module", name="category")
def fixture_category(shop):
    """25 products in a category of their own."""
    category = unique("category")
    for index in range(25):
        shop.product(id=f"{category}-{index:02}", category=category)
    return category


def list_products(shop, **fields):
    return shop.catalog.ListProducts(catalog.ListProductsRequest(**fields))


def names(answer):
    return [product.id for product in answer.products]


def test_pages_by_token_hold_every_product_once(shop, category):
    seen, token = [], ""
    while True:
        answer = list_products(shop, category=category, page_size=10, page_token=token)
        seen += names(answer)
        token = answer.next_page_token
        if not token:
            break
    assert seen == [f"{category}-{index:02}" for index in range(25)]


def test_a_page_that_ends_with_the_list_has_no_next(shop, category):
    assert not list_products(shop, category=category, page_size=25).next_page_token
    assert list_products(shop, category=category, page_size=24).next_page_token


def test_pages_by_number_begin_with_one(shop, category):
    first = list_products(shop, category=category, page=1, per_page=10)
    third = list_products(shop, category=category, page=3, per_page=10)
    assert names(first) == names(list_products(shop, category=category, per_page=10))
    assert names(third) == [f"{category}-{index}" for index in range(20, 25)]
    assert not names(list_products(shop, category=category, page=4, per_page=10))


def test_a_page_has_twenty_products_unless_asked_for_more(shop, category):
    assert len(list_products(shop, category=category).products) == 20


def test_more_than_a_hundred_products_a_page_are_cut_to_a_hundred(shop):
    category = unique("category")
    for index in range(101):
        shop.product(id=f"{category}-{index:03}", category=category)
    assert len(list_products(shop, category=category, page_size=100).products) == 100
    assert len(list_products(shop, category=category, page_size=101).products) == 100
    assert len(list_products(shop, category=category, page=1, per_page=101).products) == 100


@pytest.mark.parametrize("fields, field", [
    ({"page_size": -1}, "page_size"),
    ({"per_page": -1}, "per_page"),
    ({"page": -1}, "page"),
    ({"page": 1, "page_size": 5}, "page_size"),
    ({"page": 1, "page_token": "x"}, "page_token"),
    ({"category": "No Category"}, "category"),
])
def test_a_list_cannot_be_asked_for_with(shop, fields, field):
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        list_products(shop, **fields)
    assert field in error.value.fields


def test_numbered_pages_end_behind_ten_thousand(shop):
    list_products(shop, page=101, per_page=100)
    with refused("OUT_OF_RANGE", "PAGE_OUT_OF_RANGE"):
        list_products(shop, page=102, per_page=100)


def test_a_token_that_was_changed_is_refused(shop, category):
    token = list_products(shop, category=category, page_size=5).next_page_token
    for index in (0, len(token) // 2, len(token) - 3):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1:]
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
            list_products(shop, category=category, page_size=5, page_token=changed)
    for other in ("x", token + "A", token[:-1], "A" * 600):
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
            list_products(shop, category=category, page_size=5, page_token=other)


def test_a_token_of_another_filter_or_list_is_refused(shop, category):
    token = list_products(shop, category=category, page_size=5).next_page_token
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        list_products(shop, page_token=token)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        shop.orders.ListOrders(orders.ListOrdersRequest(page_token=token))


def test_orders_are_listed_newest_first_by_customer_and_state(shop):
    product, customer = shop.product(), unique("customer")
    created = [shop.create((product, 1), customer_id=customer) for _ in range(5)]
    newest_first = [order.id for order in reversed(created)]
    seen, token = [], ""
    while True:
        answer = shop.orders.ListOrders(
            orders.ListOrdersRequest(customer_id=customer, page_size=2, page_token=token))
        seen += [order.id for order in answer.orders]
        token = answer.next_page_token
        if not token:
            break
    assert seen == newest_first
    shop.process(created[2])
    fulfilled = shop.orders.ListOrders(orders.ListOrdersRequest(customer_id=customer, state=Order.FULFILLED))
    assert [order.id for order in fulfilled.orders] == [created[2].id]
    assert fulfilled.orders[0] == shop.order(created[2])
    pending = shop.orders.ListOrders(orders.ListOrdersRequest(customer_id=customer, state=Order.PENDING))
    assert [order.id for order in pending.orders] == [order.id for order in reversed(created) if order != created[2]]


def test_a_token_of_another_customer_is_refused(shop):
    product, customer = shop.product(), unique("customer")
    for _ in range(2):
        shop.create((product, 1), customer_id=customer)
    answer = shop.orders.ListOrders(orders.ListOrdersRequest(customer_id=customer, page_size=1))
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        shop.orders.ListOrders(orders.ListOrdersRequest(customer_id="other", page_token=answer.next_page_token))


def test_orders_of_a_state_there_is_not_cannot_be_listed(shop):
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        shop.orders.ListOrders(orders.ListOrdersRequest(state=99))
    assert error.value.fields == ["state"]
