"""What a field may hold beyond its type, as JSON Schema. service/*_validate.c checks it, by base/limits.h.

Every field of a request stands here, so that a new one is not forgotten: schemas.py asks for it.
"""

ERROR_DOMAIN = "orders.shop.v1"
ID = "[a-z0-9][a-z0-9._-]*"
INT64 = {"maxLength": 20, "pattern": "^-?(0|[1-9][0-9]{0,18})$"}
NOT_NEGATIVE = {"maxLength": 19, "pattern": "^(0|[1-9][0-9]{0,18})$"}
NOT_ZERO = {"maxLength": 20, "pattern": "^-?[1-9][0-9]{0,18}$"}
MINIMUM_0 = {"minimum": 0}
ANY = {}  # any value of its type


def text(char_max, char_min=1):
    return {"minLength": char_min, "maxLength": char_max} if char_min else {"maxLength": char_max}


class Limits:
    """Limits by full name of the field, and the numbers they are made of."""

    def __init__(self, numbers):
        self.numbers = numbers
        self.fields = field_limits(numbers)


def field_limits(limit):
    id_ = {"minLength": 1, "maxLength": limit["LIMIT_ID_LEN"], "pattern": f"^{ID}$"}
    optional_id = {"maxLength": limit["LIMIT_ID_LEN"], "pattern": f"^({ID})?$"}
    request_id = {"maxLength": limit["LIMIT_REQUEST_ID_LEN"], "pattern": "^[!-~]*$"}
    request_id_needed = {**request_id, "minLength": 1, "pattern": "^[!-~]+$"}
    # A card number in its usual groups is refused: what is asked for is a token of the provider.
    payment_method = {"minLength": 1, "maxLength": limit["LIMIT_PAYMENT_METHOD_LEN"], "pattern": "^[!-~]+$",
                      "not": {"pattern": "^-*([0-9]-*){12,19}$"}}
    page_token = text(limit["LIMIT_PAGE_TOKEN_SIZE"], 0)
    # A malformed id is NOT_FOUND, not invalid.
    order_id = {"minLength": 1, "format": "uuid"}
    lines = {"minItems": 1, "maxItems": limit["LIMIT_LINES_PER_ORDER"]}
    address_text = text(limit["LIMIT_ADDRESS_CHARS"], 0)
    address_line = {"minItems": 1, "maxItems": limit["LIMIT_ADDRESS_LINES"],
                    "items": text(limit["LIMIT_ADDRESS_CHARS"])}
    return {
        "google.rpc.ErrorInfo.reason": {"pattern": "^[A-Z][A-Z0-9_]+$"},
        "google.rpc.ErrorInfo.domain": {"const": ERROR_DOMAIN},
        "google.type.Money.units": NOT_NEGATIVE,
        "google.type.Money.nanos": {"minimum": 0, "maximum": 999_999_999},

        "shop.v1.Product.id": id_,
        "shop.v1.Product.name": text(limit["LIMIT_NAME_CHARS"]),
        "shop.v1.Product.description": text(limit["LIMIT_DESCRIPTION_CHARS"], 0),
        "shop.v1.Product.category": optional_id,
        "shop.v1.Product.price": ANY,
        "shop.v1.Product.available": NOT_NEGATIVE,
        "shop.v1.Product.etag": ANY,
        "shop.v1.Product.create_time": ANY,
        "shop.v1.Product.update_time": ANY,
        "shop.v1.GetProductRequest.id": id_,
        "shop.v1.BatchGetProductsRequest.ids":
            {"minItems": 1, "maxItems": limit["LIMIT_IDS_PER_BATCH"], "uniqueItems": True, "items": id_},
        "shop.v1.ListProductsRequest.page_size": MINIMUM_0,
        "shop.v1.ListProductsRequest.page_token": page_token,
        "shop.v1.ListProductsRequest.category": optional_id,
        "shop.v1.ListProductsRequest.page": MINIMUM_0,
        "shop.v1.ListProductsRequest.per_page": MINIMUM_0,
        "shop.v1.CreateProductRequest.request_id": request_id,
        "shop.v1.CreateProductRequest.initial_stock": NOT_NEGATIVE,
        "shop.v1.UpdateProductRequest.update_mask": ANY,
        "shop.v1.DeleteProductRequest.id": id_,
        "shop.v1.DeleteProductRequest.etag": ANY,
        "shop.v1.AdjustStockRequest.id": id_,
        "shop.v1.AdjustStockRequest.delta": NOT_ZERO,
        "shop.v1.AdjustStockRequest.request_id": request_id,

        "shop.v1.OrderLine.product_id": id_,
        "shop.v1.OrderLine.quantity": {"minimum": 1, "maximum": limit["LIMIT_QUANTITY_PER_LINE"]},
        "shop.v1.OrderLine.name": ANY,
        "shop.v1.OrderLine.unit_price": ANY,
        "shop.v1.Address.recipient": text(limit["LIMIT_ADDRESS_CHARS"]),
        "shop.v1.Address.address_lines": address_line,
        "shop.v1.Address.postal_code": address_text,
        "shop.v1.Address.locality": address_text,
        "shop.v1.Address.administrative_area": address_text,
        "shop.v1.Address.region_code": {"pattern": "^[A-Z]{2}$"},
        "shop.v1.CreateOrderRequest.customer_id": id_,
        "shop.v1.CreateOrderRequest.lines": lines,
        "shop.v1.CreateOrderRequest.ship_to": ANY,
        "shop.v1.CreateOrderRequest.request_id": request_id,
        "shop.v1.GetOrderRequest.id": order_id,
        "shop.v1.ListOrdersRequest.customer_id": optional_id,
        "shop.v1.ListOrdersRequest.state": ANY,
        "shop.v1.ListOrdersRequest.page_size": MINIMUM_0,
        "shop.v1.ListOrdersRequest.page_token": page_token,
        "shop.v1.ProcessOrderRequest.id": order_id,
        "shop.v1.ProcessOrderRequest.payment_method": payment_method,
        "shop.v1.ProcessOrderRequest.request_id": request_id,
        "shop.v1.PlaceOrderRequest.customer_id": id_,
        "shop.v1.PlaceOrderRequest.lines": lines,
        "shop.v1.PlaceOrderRequest.ship_to": ANY,
        "shop.v1.PlaceOrderRequest.payment_method": payment_method,
        "shop.v1.PlaceOrderRequest.request_id": request_id_needed,
        "shop.v1.CancelOrderRequest.id": order_id,
        "shop.v1.CancelOrderRequest.request_id": request_id,
        "shop.v1.WatchOrderRequest.id": order_id,
        "shop.v1.WatchOrderRequest.after_revision": NOT_NEGATIVE,
        "shop.v1.SubscribeRequest.after_position": NOT_NEGATIVE,
        "shop.v1.SubscribeRequest.only_new": ANY,

        # Of answers only.
        "shop.v1.Order.id": {"format": "uuid"},
        "shop.v1.Order.customer_id": id_,
        "shop.v1.Order.lines": lines,
        "shop.v1.Order.revision": NOT_NEGATIVE,
        "shop.v1.Order.attempt": {"minimum": 0, "maximum": limit["LIMIT_ATTEMPTS_PER_ORDER"]},
        "shop.v1.OrderStep.attempts": MINIMUM_0,
        "shop.v1.OrderConfirmation.order_id": {"format": "uuid"},
        "shop.v1.OrderEvent.position": NOT_NEGATIVE,
        "shop.v1.OrderEvent.revision": NOT_NEGATIVE,
        "shop.v1.OrderEvent.attempt": MINIMUM_0,
        "shop.v1.ListProductsResponse.products": {"maxItems": limit["LIMIT_PAGE_SIZE"]},
        "shop.v1.ListOrdersResponse.orders": {"maxItems": limit["LIMIT_PAGE_SIZE"]},
        "shop.v1.BatchGetProductsResponse.products": {"minItems": 1, "maxItems": limit["LIMIT_IDS_PER_BATCH"]},
    }
