"""What the sandbox was asked for, and what came of it."""


def payments_of(sandbox, order):
    """Payments of an order, oldest first."""
    return sandbox.ledger(order.id)["payments"]


def shipments_of(sandbox, order):
    return sandbox.ledger(order.id)["shipments"]


def assert_nothing_happened(sandbox, order):
    """V3: every payment is cancelled or given back, and no shipment is under way."""
    for payment in payments_of(sandbox, order):
        assert payment["received"] == payment["refunded"] and payment["refund_pending"] == 0, payment
        assert payment["status"] in ("canceled", "succeeded"), payment
    assert all(shipment["state"] in ("CANCELLED", "BARRED") for shipment in shipments_of(sandbox, order))
