"""The catalogue: products come, are found, change and go."""

import pytest
from google.protobuf import field_mask_pb2

from client import Product, at_once, catalog, money, refused, request_id, unique


def get(shop, product_id):
    return shop.catalog.GetProduct(catalog.GetProductRequest(id=product_id))


def update(shop, product, *paths, **fields):
    mask = field_mask_pb2.FieldMask(paths=paths) if paths else None
    return shop.catalog.UpdateProduct(
        catalog.UpdateProductRequest(product=Product(id=product.id, **fields), update_mask=mask))


def adjust(shop, product, delta, **fields):
    return shop.catalog.AdjustStock(catalog.AdjustStockRequest(id=product.id, delta=delta, **fields))


def test_a_product_that_was_created_can_be_read(shop):
    created = shop.product(stock=7, name="Écritoire 机", description="Walnut, 140 cm", category="desks",
                           price=money(129, 990_000_000))
    assert created.name == "Écritoire 机"
    assert created.description == "Walnut, 140 cm"
    assert created.category == "desks"
    assert created.price == money(129, 990_000_000)
    assert created.available == 7
    assert created.etag
    assert created.create_time.seconds > 0
    assert get(shop, created.id) == created


def test_a_product_nobody_created_is_not_found(shop):
    with refused("NOT_FOUND", "PRODUCT_NOT_FOUND") as error:
        get(shop, "no-such-product")
    assert error.value.resource.resource_name == "no-such-product"
    assert error.value.metadata["productId"] == "no-such-product"


def test_an_id_can_be_given_once(shop):
    product = shop.product()
    with refused("ALREADY_EXISTS", "PRODUCT_ALREADY_EXISTS"):
        shop.product(id=product.id)


def test_several_products_are_read_in_the_order_asked_for(shop):
    products = [shop.product() for _ in range(3)]
    ids = [products[index].id for index in (2, 0, 1)]
    answer = shop.catalog.BatchGetProducts(catalog.BatchGetProductsRequest(ids=ids))
    assert [product.id for product in answer.products] == ids


def test_one_missing_product_fails_the_batch_and_is_named(shop):
    product = shop.product()
    with refused("NOT_FOUND", "PRODUCT_NOT_FOUND") as error:
        shop.catalog.BatchGetProducts(catalog.BatchGetProductsRequest(ids=[product.id, "missing-1"]))
    assert error.value.resource.resource_name == "missing-1"


def test_many_concurrent_readers_each_get_what_they_asked_for(shop):
    products = [shop.product() for _ in range(20)]
    answers = at_once(50, lambda index: get(shop, products[index % 20].id))
    assert [answer.id for answer in answers] == [products[index % 20].id for index in range(50)]


def test_an_update_without_a_mask_changes_the_populated_fields(shop):
    product = shop.product(description="as it was")
    changed = update(shop, product, name="Oak desk", price=money(15))
    assert (changed.name, changed.price, changed.description) == ("Oak desk", money(15), "as it was")
    assert changed.etag != product.etag
    assert get(shop, product.id) == changed


def test_a_mask_changes_and_clears_exactly_what_it_names(shop):
    product = shop.product(description="to be cleared")
    changed = update(shop, product, "description", name="not in the mask")
    assert (changed.name, changed.description) == (product.name, "")


def test_the_mask_of_a_star_replaces_the_product(shop):
    product = shop.product(description="goes")
    changed = update(shop, product, "*", name="New", price=money(1))
    assert (changed.name, changed.description, changed.category, changed.price) == ("New", "", "", money(1))


@pytest.mark.parametrize("path", ["id", "etag", "available", "create_time", "update_time", "price.units", "colour"])
def test_a_mask_cannot_name(shop, path):
    product = shop.product()
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        update(shop, product, "name", path, name="New")
    assert error.value.fields == ["update_mask.paths[1]"]
    assert get(shop, product.id) == product


def test_a_required_field_cannot_be_cleared(shop):
    product = shop.product()
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        update(shop, product, "name", "price")
    assert error.value.fields == ["product.name", "product.price"]


def test_an_update_with_the_etag_of_before_is_aborted(shop):
    product = shop.product()
    changed = update(shop, product, name="Second", etag=product.etag)
    with refused("ABORTED", "ETAG_MISMATCH") as error:
        update(shop, product, name="Third", etag=product.etag)
    assert error.value.retry is None
    assert get(shop, product.id) == changed


def test_the_etag_is_not_touched_by_stock(shop):
    product = shop.product(stock=1)
    assert adjust(shop, product, 5).etag == product.etag


def test_a_deleted_product_is_gone_and_its_id_is_not_used_again(shop):
    product = shop.product(category=unique("category"))
    with refused("ABORTED", "ETAG_MISMATCH"):
        shop.catalog.DeleteProduct(catalog.DeleteProductRequest(id=product.id, etag="999"))
    shop.catalog.DeleteProduct(catalog.DeleteProductRequest(id=product.id, etag=product.etag))
    with refused("NOT_FOUND", "PRODUCT_NOT_FOUND"):
        get(shop, product.id)
    with refused("NOT_FOUND", "PRODUCT_NOT_FOUND"):
        shop.catalog.DeleteProduct(catalog.DeleteProductRequest(id=product.id))
    with refused("NOT_FOUND", "PRODUCT_NOT_FOUND"):
        update(shop, product, name="Back")
    with refused("NOT_FOUND", "PRODUCT_NOT_FOUND"):
        adjust(shop, product, 1)
    with refused("ALREADY_EXISTS", "PRODUCT_ALREADY_EXISTS"):
        shop.product(id=product.id)
    assert not shop.catalog.ListProducts(catalog.ListProductsRequest(category=product.category)).products


def test_stock_goes_up_and_down_but_not_below_zero(shop):
    product = shop.product(stock=5)
    assert adjust(shop, product, 10).available == 15
    assert adjust(shop, product, -15).available == 0
    with refused("FAILED_PRECONDITION", "STOCK_BELOW_ZERO") as error:
        adjust(shop, product, -1)
    assert error.value.metadata["available"] == "0"
    assert shop.available(product) == 0


def test_stock_cannot_be_larger_than_can_be_counted(shop):
    product = shop.product(stock=1)
    with refused("OUT_OF_RANGE", "STOCK_OVERFLOW"):
        adjust(shop, product, 2**63 - 1)
    assert shop.available(product) == 1


def test_adjusting_by_nothing_is_a_mistake(shop):
    with refused("INVALID_ARGUMENT", "REQUEST_INVALID") as error:
        adjust(shop, shop.product(), 0)
    assert error.value.fields == ["delta"]


def test_concurrent_adjustments_all_count(shop):
    product = shop.product(stock=0)
    at_once(40, lambda _: adjust(shop, product, 3))
    assert shop.available(product) == 120


def test_a_repeated_request_id_adjusts_once(shop):
    product, key = shop.product(stock=10), request_id()
    assert adjust(shop, product, -4, request_id=key).available == 6
    assert adjust(shop, product, -4, request_id=key).available == 6
    with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
        adjust(shop, product, -5, request_id=key)
    assert shop.available(product) == 6


def test_a_repeated_request_id_creates_once(shop):
    product, key = Product(id=unique("product"), name="Once", price=money(1)), request_id()
    first = shop.catalog.CreateProduct(catalog.CreateProductRequest(product=product, request_id=key))
    again = shop.catalog.CreateProduct(catalog.CreateProductRequest(product=product, request_id=key))
    assert again == first
    product.name = "Other"
    with refused("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
        shop.catalog.CreateProduct(catalog.CreateProductRequest(product=product, request_id=key))
