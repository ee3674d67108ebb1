"""Which reasons each method can give over HTTP, and the responses they make. Not for what the reasons mean: the texts
stand in base/reason.h."""

import collections

from limits import ERROR_DOMAIN

# What any request may meet.
ALWAYS = (
    "MESSAGE_INVALID", "REQUEST_INVALID", "FIELD_UNKNOWN", "NOT_ACCEPTABLE", "BODY_TOO_LARGE", "URL_TOO_LONG", "HEADERS_TOO_LARGE",
    "STORE_OVERLOADED", "TOO_MANY_CONNECTIONS", "OUT_OF_MEMORY", "INTERNAL", "STORE_UNAVAILABLE", "SHUTTING_DOWN",
    "DEADLINE_EXCEEDED",
)
WITH_VARIABLES = ("ROUTE_NOT_FOUND",)
WITH_BODY = ("JSON_INVALID", "MEDIA_TYPE_UNSUPPORTED")

# What every attempt to fulfil an order may meet, once the order is there.
ATTEMPT = (
    "ORDER_PRODUCT_NOT_FOUND", "ORDER_STATE_INVALID", "ORDER_IN_PROGRESS", "ORDER_CANCELLED", "ATTEMPTS_EXHAUSTED",
    "REQUEST_ID_REUSED", "REQUEST_IN_PROGRESS", "OUT_OF_STOCK", "INVENTORY_UNAVAILABLE", "INVENTORY_MISCONFIGURED",
    "RESERVATION_OUTCOME_UNKNOWN", "PAYMENT_DECLINED", "PAYMENT_ACTION_REQUIRED", "PAYMENT_METHOD_INVALID",
    "PAYMENT_MISCONFIGURED", "PAYMENT_ANSWER_INVALID", "PAYMENT_UNAVAILABLE", "PAYMENT_OUTCOME_UNKNOWN",
    "FULFILLMENT_REJECTED", "FULFILLMENT_MISCONFIGURED", "FULFILLMENT_UNAVAILABLE", "FULFILLMENT_PENDING",
    "DEADLINE_TOO_SHORT", "TOO_MANY_ORDERS",
)
CREATION = ("PRODUCT_NOT_FOUND", "CURRENCY_MIXED", "ORDER_TOTAL_ZERO", "MONEY_OVERFLOW", "REQUEST_ID_REUSED")

BY_METHOD = {
    "shop.v1.Catalog.GetProduct": ("PRODUCT_NOT_FOUND", "TOO_MANY_CALLS"),
    "shop.v1.Catalog.BatchGetProducts": ("PRODUCT_NOT_FOUND", "TOO_MANY_CALLS"),
    "shop.v1.Catalog.ListProducts": ("PAGE_TOKEN_INVALID", "PAGE_OUT_OF_RANGE", "TOO_MANY_CALLS"),
    "shop.v1.Catalog.CreateProduct": ("PRODUCT_ALREADY_EXISTS", "REQUEST_ID_REUSED", "TOO_MANY_CALLS"),
    "shop.v1.Catalog.UpdateProduct": ("PRODUCT_NOT_FOUND", "ETAG_MISMATCH", "TOO_MANY_CALLS"),
    "shop.v1.Catalog.DeleteProduct": ("PRODUCT_NOT_FOUND", "ETAG_MISMATCH", "TOO_MANY_CALLS"),
    "shop.v1.Catalog.AdjustStock": ("PRODUCT_NOT_FOUND", "STOCK_BELOW_ZERO", "STOCK_OVERFLOW", "REQUEST_ID_REUSED",
                                    "TOO_MANY_CALLS"),
    "shop.v1.Orders.CreateOrder": (*CREATION, "TOO_MANY_CALLS"),
    "shop.v1.Orders.GetOrder": ("ORDER_NOT_FOUND", "TOO_MANY_CALLS"),
    "shop.v1.Orders.ListOrders": ("PAGE_TOKEN_INVALID", "TOO_MANY_CALLS"),
    "shop.v1.Orders.ProcessOrder": ("ORDER_NOT_FOUND", *ATTEMPT),
    "shop.v1.Orders.PlaceOrder": (*CREATION, *ATTEMPT),
    "shop.v1.Orders.CancelOrder": ("ORDER_NOT_FOUND", "ORDER_STATE_INVALID", "REQUEST_ID_REUSED", "TOO_MANY_CALLS"),
    "shop.v1.Orders.WatchOrder": ("ORDER_NOT_FOUND", "TOO_MANY_WATCHERS"),
    "shop.v1.OrderEvents.Subscribe": ("EVENT_POSITION_UNKNOWN", "TOO_MANY_WATCHERS"),
}

# Of gRPC only; and what a request meets that is none of the operations.
NOT_OVER_HTTP = ("MESSAGE_TOO_LARGE", "METHOD_NOT_FOUND", "COMPRESSION_UNSUPPORTED", "SERVICE_UNKNOWN", "CALL_CANCELLED")
ELSEWHERE = (*NOT_OVER_HTTP, "METHOD_NOT_ALLOWED")

# Further statuses of a reason that has one already: a failing If-Match; an expectation that cannot be met.
MORE_STATUSES = {"ETAG_MISMATCH": (412,), "MESSAGE_INVALID": (417,)}

PRODUCT_ID, ORDER_ID = "walnut-desk", "0193a1c5-7d2e-7c41-9a3b-5f2d8e6c1b70"
PRODUCT_METADATA, ORDER_METADATA = {"productId": PRODUCT_ID}, {"orderId": ORDER_ID}
EXAMPLE_METADATA = {
    "PRODUCT_NOT_FOUND": PRODUCT_METADATA, "PRODUCT_ALREADY_EXISTS": PRODUCT_METADATA,
    "ETAG_MISMATCH": PRODUCT_METADATA, "STOCK_BELOW_ZERO": PRODUCT_METADATA, "STOCK_OVERFLOW": PRODUCT_METADATA,
    "ORDER_NOT_FOUND": ORDER_METADATA, "PAYMENT_DECLINED": {**ORDER_METADATA, "declineCode": "insufficient_funds"},
    "OUT_OF_STOCK": ORDER_METADATA, "ORDER_STATE_INVALID": {**ORDER_METADATA, "state": "CANCELLED"},
    **{key: ORDER_METADATA for key in ATTEMPT if key.startswith(("PAYMENT_", "FULFILLMENT_", "INVENTORY_", "RESERV"))
       and key != "PAYMENT_DECLINED"},
}
EXAMPLE_FIELDS = {
    "REQUEST_INVALID": ("lines[2].quantity", "must be from 1 to 10000"),
    "FIELD_UNKNOWN": ("colour", "is not known"),
    "REQUEST_ID_REUSED": ("request_id", None), "PAGE_TOKEN_INVALID": ("page_token", None),
    "CURRENCY_MIXED": ("lines", None), "ORDER_TOTAL_ZERO": ("lines", None),
}


def reasons_of(reasons, method, has_variables, has_body):
    """The keys of all reasons a method can give, in the order of the table."""
    keys = {*ALWAYS, *BY_METHOD[method.full_name], *(WITH_VARIABLES if has_variables else ()),
            *(WITH_BODY if has_body else ())}
    return [key for key in reasons if key in keys]


def check_complete(reasons, methods):
    """Every reason and every method has its place in the tables above, and they name no others."""
    named = {*ALWAYS, *WITH_VARIABLES, *WITH_BODY, *ELSEWHERE, *(key for row in BY_METHOD.values() for key in row)}
    if named != set(reasons):
        raise ValueError(f"deploy/dev/openapi/errors.py and base/reason.h differ: {sorted(named ^ set(reasons))}")
    if set(BY_METHOD) != {method.full_name for method in methods}:
        raise ValueError("deploy/dev/openapi/errors.py and proto/ differ: "
                         f"{sorted(set(BY_METHOD) ^ {method.full_name for method in methods})}")


def responses(reasons, phrases, keys):
    """{"404": response}: one for each status, which lists its reasons."""
    by_status = collections.defaultdict(list)
    for key in keys:
        for status in (reasons[key].http, *MORE_STATUSES.get(key, ())):
            by_status[status].append(reasons[key])
    return {str(status): response(status, phrases[status], rows) for status, rows in sorted(by_status.items())}


def response(status, phrase, rows):
    lines = [f"- `{reason.name}`: {reason.text}" for reason in rows]
    made = {"description": f"{phrase}.\n\n" + "\n".join(lines)}
    if any(reason.invites_retry for reason in rows):
        made["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    made["content"] = {"application/json": {
        "schema": {"$ref": "#/components/schemas/Error"},
        "examples": {reason.key: {"$ref": f"#/components/examples/{example_name(reason, status)}"} for reason in rows}}}
    return made


def example_name(reason, status):
    return reason.key if status == reason.http else f"{reason.key}_{status}"


def examples(reasons):
    """components/examples: one of each reason and status that an operation can give."""
    made = {}
    for key, reason in reasons.items():
        if key in ELSEWHERE:
            continue
        for status in (reason.http, *MORE_STATUSES.get(key, ())):
            made[example_name(reason, status)] = {"summary": reason.text, "value": example(reason, status)}
    return made


def example(reason, status):
    metadata = EXAMPLE_METADATA.get(reason.key, {})
    details = [typed("ErrorInfo", reason=reason.name, domain=ERROR_DOMAIN, metadata=metadata)]
    if reason.invites_retry:
        details.append(typed("RetryInfo", retryDelay="1s"))
    if reason.code == "NOT_FOUND":
        details.append(resource(reason, metadata))
    if reason.code == "FAILED_PRECONDITION":
        details.append(typed("PreconditionFailure", violations=[
            {"type": "STOCK" if "STOCK" in reason.key else "ORDER", "subject": subject(metadata),
             "description": reason.text}]))
    if reason.code == "INVALID_ARGUMENT":
        field, why = EXAMPLE_FIELDS.get(reason.key, ("", None))
        details.append(typed("BadRequest", fieldViolations=[
            {"field": field, "description": why or reason.text, "reason": ""}]))
    return {"error": {"code": status, "message": reason.text, "status": reason.code, "details": details}}


def typed(name, **fields):
    return {"@type": f"type.googleapis.com/google.rpc.{name}", **fields}


def resource(reason, metadata):
    kind = "shop.v1.Product" if "PRODUCT" in reason.key else "shop.v1.Order" if "ORDER" in reason.key else "route"
    return typed("ResourceInfo", resourceType=kind, resourceName=next(iter(metadata.values()), ""), owner="",
                 description="")


def subject(metadata):
    return f"products/{metadata['productId']}" if "productId" in metadata else f"orders/{ORDER_ID}"
