"""Requests and answers as they look. tests/client/test_openapi.py holds them against their schemas."""

from errors import ORDER_ID, PRODUCT_ID

REQUEST_ID = "0d6f0a3e-4c5b-4a57-9d1c-2f1f0f0c7a11"
TIME = "2025-11-24T09:30:00.123456Z"

PRICE = {"currencyCode": "EUR", "units": "349", "nanos": 500_000_000}
TOTAL = {"currencyCode": "EUR", "units": "699", "nanos": 0}
SHIP_TO = {"recipient": "Ada Lovelace", "addressLines": ["12 St James's Square"], "postalCode": "SW1Y 4JH",
           "locality": "London", "administrativeArea": "", "regionCode": "GB"}
LINES = [{"productId": PRODUCT_ID, "quantity": 2}]

PRODUCT_FIELDS = {"id": PRODUCT_ID, "name": "Walnut desk", "description": "Oiled, 160 x 80 cm.", "category": "desks",
                  "price": PRICE}
PRODUCT = {**PRODUCT_FIELDS, "available": "17", "etag": "3", "createTime": TIME, "updateTime": TIME}

STEPS = [
    {"kind": "RESERVE", "outcome": "DONE", "attempts": 1, "startTime": TIME, "endTime": TIME, "externalId": ""},
    {"kind": "CHARGE", "outcome": "DONE", "attempts": 1, "startTime": TIME, "endTime": TIME, "externalId": "pi_1042"},
    {"kind": "FULFILL", "outcome": "DONE", "attempts": 1, "startTime": TIME, "endTime": TIME, "externalId": "sh_1042"},
]
ORDER = {
    "id": ORDER_ID, "customerId": "ada", "lines": [{**LINES[0], "name": "Walnut desk", "unitPrice": PRICE}],
    "total": TOTAL, "state": "PENDING", "steps": [], "paymentId": "", "shipmentId": "", "revision": "1",
    "createTime": TIME, "updateTime": TIME, "shipTo": SHIP_TO, "attempt": 0, "etag": "1",
}
FULFILLED = {**ORDER, "state": "FULFILLED", "steps": STEPS, "paymentId": "pi_1042", "shipmentId": "sh_1042",
             "revision": "5", "attempt": 1, "etag": "5"}
CHARGING = {**ORDER, "state": "CHARGING", "steps": STEPS[:1], "revision": "3", "attempt": 1, "etag": "3"}
CANCELLED = {**ORDER, "state": "CANCELLED", "revision": "2", "etag": "2"}
CONFIRMATION = {"orderId": ORDER_ID, "total": TOTAL, "paymentId": "pi_1042", "shipmentId": "sh_1042",
                "fulfillTime": TIME}
EVENTS = [
    {"position": "1041", "orderId": ORDER_ID, "revision": "4", "attempt": 1, "state": "FULFILLING", "step": "CHARGE",
     "outcome": "DONE", "externalId": "pi_1042", "time": TIME},
    {"position": "1044", "orderId": ORDER_ID, "revision": "5", "attempt": 1, "state": "FULFILLED", "step": "FULFILL",
     "outcome": "DONE", "externalId": "sh_1042", "time": TIME},
]

# By method: bodies of requests and answers, by their names.
REQUESTS = {
    "shop.v1.Catalog.CreateProduct": {"desk": PRODUCT_FIELDS},
    "shop.v1.Catalog.UpdateProduct": {
        "price": {"price": {"currencyCode": "EUR", "units": "329", "nanos": 0}},
        "clear": {"description": None}},
    "shop.v1.Catalog.AdjustStock": {"delivery": {"delta": "25", "requestId": REQUEST_ID}, "loss": {"delta": "-1"}},
    "shop.v1.Orders.CreateOrder": {"desks": {"customerId": "ada", "lines": LINES, "shipTo": SHIP_TO}},
    "shop.v1.Orders.ProcessOrder": {"card": {"paymentMethod": "pm_card_visa"}},
    "shop.v1.Orders.PlaceOrder": {"desks": {"customerId": "ada", "lines": LINES, "shipTo": SHIP_TO,
                                            "paymentMethod": "pm_card_visa", "requestId": REQUEST_ID}},
    "shop.v1.Orders.CancelOrder": {"cancel": {"requestId": REQUEST_ID}},
}
ANSWERS = {
    "shop.v1.Catalog.GetProduct": {"desk": PRODUCT},
    "shop.v1.Catalog.BatchGetProducts": {"desk": {"products": [PRODUCT]}},
    "shop.v1.Catalog.ListProducts": {"last": {"products": [PRODUCT], "nextPageToken": ""}},
    "shop.v1.Catalog.CreateProduct": {"desk": PRODUCT},
    "shop.v1.Catalog.UpdateProduct": {"desk": PRODUCT},
    "shop.v1.Catalog.DeleteProduct": {"deleted": {}},
    "shop.v1.Catalog.AdjustStock": {"desk": PRODUCT},
    "shop.v1.Orders.CreateOrder": {"pending": ORDER},
    "shop.v1.Orders.GetOrder": {"pending": ORDER, "fulfilled": FULFILLED},
    "shop.v1.Orders.ListOrders": {"last": {"orders": [FULFILLED, CANCELLED], "nextPageToken": ""}},
    "shop.v1.Orders.ProcessOrder": {"fulfilled": CONFIRMATION},
    "shop.v1.Orders.PlaceOrder": {"fulfilled": CONFIRMATION},
    "shop.v1.Orders.CancelOrder": {"cancelled": CANCELLED},
    "shop.v1.Orders.WatchOrder": {"fulfilled": [CHARGING, FULFILLED]},
    "shop.v1.OrderEvents.Subscribe": {"paid": EVENTS},
}

# Values of parameters, by full name of the field.
PARAMETERS = {
    "shop.v1.GetProductRequest.id": PRODUCT_ID,
    "shop.v1.BatchGetProductsRequest.ids": [PRODUCT_ID],
    "shop.v1.ListProductsRequest.page_size": 20,
    "shop.v1.ListProductsRequest.category": "desks",
    "shop.v1.Product.id": PRODUCT_ID,
    "shop.v1.CreateProductRequest.initial_stock": "40",
    "shop.v1.UpdateProductRequest.update_mask": "price",
    "shop.v1.DeleteProductRequest.id": PRODUCT_ID,
    "shop.v1.AdjustStockRequest.id": PRODUCT_ID,
    "shop.v1.GetOrderRequest.id": ORDER_ID,
    "shop.v1.ListOrdersRequest.customer_id": "ada",
    "shop.v1.ListOrdersRequest.state": "FULFILLED",
    "shop.v1.ProcessOrderRequest.id": ORDER_ID,
    "shop.v1.CancelOrderRequest.id": ORDER_ID,
    "shop.v1.WatchOrderRequest.id": ORDER_ID,
    "shop.v1.SubscribeRequest.after_position": "1041",
}
