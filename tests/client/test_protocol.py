"""What is not in shop.v1 but every gRPC client meets: errors, health, reflection."""

import json
import os
import subprocess

import grpc
import pytest

import harness
from client import Shop, address, catalog, health_pb2, money, orders, refused, request_id

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3

# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("path", ["/shop.v1.Orders/NoSuchMethod", "/no.such.Service/Method", "/shop.v1.Orders/",
                                  "/shop.v1.Inventory/Reserve"])
def test_a_method_that_is_not_served_is_unimplemented(shop, path):
    with refused("UNIMPLEMENTED", "METHOD_NOT_FOUND"):
        shop.raw(path, b"")


def test_a_compressed_request_is_unimplemented(shop):
    product = shop.product()
    padding = "x" * 3000  # short messages are sent as they are
    with pytest.raises(grpc.RpcError) as error:
        shop.channel.unary_unary("/shop.v1.Catalog/GetProduct")(
            catalog.GetProductRequest(id=padding).SerializeToString(),
            timeout=20, compression=grpc.Compression.Gzip)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert shop.available(product) == 100  # the connection goes on


def test_a_call_whose_time_is_over_ends_by_the_clients_clock(shop):
    with pytest.raises(grpc.RpcError) as error:
        shop.channel.unary_unary("/shop.v1.Catalog/GetProduct")(b"", timeout=0)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_errors_are_told_apart_by_reason_not_by_text(shop):
    with refused("NOT_FOUND", "ORDER_NOT_FOUND") as error:
        shop.order("01890000-0000-7000-8000-000000000000")
    assert error.value.metadata["orderId"] == "01890000-0000-7000-8000-000000000000"
    assert error.value.resource.resource_type == "shop.v1.Order"


# ------------------------------------------------------------------------------------------ health


def test_health_knows_the_server_and_its_services(shop):
    for service in ("", "shop.v1.Catalog", "shop.v1.Orders", "shop.v1.OrderEvents", "liveness"):
        assert shop.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=20).status == SERVING
    with pytest.raises(grpc.RpcError) as error:
        shop.health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=20)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_health_lists_all_services(shop):
    statuses = shop.health.List(health_pb2.HealthListRequest(), timeout=20).statuses
    assert {name: entry.status for name, entry in statuses.items()} == {
        "": SERVING, "shop.v1.Catalog": SERVING, "shop.v1.Orders": SERVING, "shop.v1.OrderEvents": SERVING,
        "liveness": SERVING}


def test_a_health_watch_begins_with_the_state_as_it_is(shop):
    for service, expected in (("", SERVING), ("shop.v1.Orders", SERVING), ("no.such.Service", SERVICE_UNKNOWN)):
        watch = shop.health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=20)
        assert next(watch).status == expected
        watch.cancel()


# --------------------------------------------------------------------------- reflection, by grpcurl


@pytest.fixture(name="grpcurl")
def fixture_grpcurl(orderd):
    """grpcurl(argument, …) against orderd, without proto files."""
    program = os.environ.get("GRPCURL") or str(harness.SOURCE_DIR / "build/tools/grpcurl")
    if not os.access(program, os.X_OK):
        pytest.skip("grpcurl is not there")

    def run(*arguments, options=()):
        done = subprocess.run([program, "-plaintext", *options, orderd.grpc_addr, *arguments], check=False,
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr
    return run


def test_grpcurl_lists_the_services(grpcurl):
    code, output = grpcurl("list")
    assert code == 0, output
    assert {"shop.v1.Catalog", "shop.v1.Orders", "shop.v1.OrderEvents", "grpc.health.v1.Health"} <= set(output.split())


def test_grpcurl_lists_the_methods_of_a_service(grpcurl):
    code, output = grpcurl("list", "shop.v1.Catalog")
    assert code == 0, output
    assert "shop.v1.Catalog.GetProduct" in output.split()


@pytest.mark.parametrize("symbol, expected", [
    ("shop.v1.Orders", "rpc PlaceOrder ( .shop.v1.PlaceOrderRequest ) returns ( .shop.v1.OrderConfirmation )"),
    ("shop.v1.Order", "repeated .shop.v1.OrderLine lines = 3"),
    ("shop.v1.Order.State", "FULFILLED = 5"),
    ("shop.v1.Catalog.GetProduct", "rpc GetProduct"),
    ("shop.v1.OrderEvents", "rpc Subscribe ( .shop.v1.SubscribeRequest ) returns ( stream .shop.v1.OrderEvent )"),
    ("google.type.Money", "int64 units = 2"),
])
def test_grpcurl_describes(grpcurl, symbol, expected):
    code, output = grpcurl("describe", symbol)
    assert code == 0, output
    assert expected in output


def test_grpcurl_is_told_what_does_not_exist(grpcurl):
    code, output = grpcurl("describe", "shop.v1.Nothing")
    assert code != 0
    assert "not found" in output.lower()


def test_an_order_is_placed_by_grpcurl(shop, grpcurl):
    product = shop.product(stock=2, price=money(5))
    request = {"customer_id": "ada", "request_id": request_id(), "payment_method": "pm_card_visa",
               "lines": [{"product_id": product.id, "quantity": 2}],
               "ship_to": {"recipient": "Ada", "address_lines": ["12 St James's Square"], "region_code": "GB"}}
    code, output = grpcurl("shop.v1.Orders/PlaceOrder", options=["-d", json.dumps(request)])
    assert code == 0, output
    confirmation = json.loads(output)
    assert confirmation["total"] == {"currencyCode": "EUR", "units": "10"}
    assert shop.order(confirmation["orderId"]).shipment_id == confirmation["shipmentId"]
    assert shop.available(product) == 0


def test_grpcurl_shows_why_an_order_was_refused(shop, grpcurl):
    product = shop.product(stock=0)
    request = {"customer_id": "ada", "request_id": request_id(), "payment_method": "pm_card_visa",
               "lines": [{"product_id": product.id, "quantity": 2}],
               "ship_to": {"recipient": "Ada", "address_lines": ["12 St James's Square"], "region_code": "GB"}}
    code, output = grpcurl("shop.v1.Orders/PlaceOrder", options=["-d", json.dumps(request)])
    assert code != 0
    assert "FailedPrecondition" in output and "OUT_OF_STOCK" in output and product.id in output


REFLECTION_VERSIONS = ("v1", "v1alpha")


@pytest.mark.parametrize("version", REFLECTION_VERSIONS)
def test_both_versions_of_reflection_give_a_file_with_all_it_needs(shop, version):
    from grpc.reflection.v1 import reflection_pb2 as v1  # pylint: disable=import-outside-toplevel
    from grpc.reflection.v1alpha import reflection_pb2 as v1alpha  # pylint: disable=import-outside-toplevel
    from google.protobuf import descriptor_pb2  # pylint: disable=import-outside-toplevel
    messages = {"v1": v1, "v1alpha": v1alpha}[version]
    ask = shop.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=messages.ServerReflectionRequest.SerializeToString,
        response_deserializer=messages.ServerReflectionResponse.FromString)
    requests = [messages.ServerReflectionRequest(file_containing_symbol="shop.v1.Orders"),
                messages.ServerReflectionRequest(file_by_filename="shop/v1/catalog.proto"),
                messages.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
                messages.ServerReflectionRequest(list_services="")]
    by_symbol, by_name, unknown, listing = list(ask(iter(requests), timeout=20))
    files = [descriptor_pb2.FileDescriptorProto.FromString(file)
             for file in by_symbol.file_descriptor_response.file_descriptor_proto]
    held = {file.name for file in files}
    assert files[0].name == "shop/v1/orders.proto"
    assert {dependency for file in files for dependency in file.dependency} <= held
    assert by_name.file_descriptor_response.file_descriptor_proto
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert "shop.v1.Orders" in {service.name for service in listing.list_services_response.service}


# ----------------------------------------------------------------------------------------- limits


def test_a_connection_carries_a_hundred_calls_at_once(orderd):
    shop = Shop(orderd.grpc_addr)
    watches = [shop.health.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(100)]
    for watch in watches:
        assert next(watch).status == SERVING
    waiting = shop.health.Check.future(health_pb2.HealthCheckRequest(), timeout=60)
    with pytest.raises(grpc.FutureTimeoutError):
        waiting.result(timeout=0.3)  # the 101st waits for a stream
    watches[0].cancel()
    assert waiting.result(timeout=20).status == SERVING
    for watch in watches:
        watch.cancel()
    shop.close()


def test_calls_beyond_the_limit_are_refused_at_once(own_orderd):
    orderd = own_orderd(MAX_WATCHERS="2")
    shop = Shop(orderd.grpc_addr)
    watches = [shop.health.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(2)]
    for watch in watches:
        assert next(watch).status == SERVING
    with pytest.raises(grpc.RpcError) as error:
        next(shop.health.Watch(health_pb2.HealthCheckRequest(), timeout=60))
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    shop.product()  # and nothing else suffers
    shop.close()


def test_an_address_beside_the_order_is_not_in_the_log(shop, orderd):
    product = shop.product()
    shop.place((product, 1), ship_to=address(recipient="Nobody Shall Read This"), payment_method="pm_card_amex")
    with refused("FAILED_PRECONDITION", "PAYMENT_DECLINED"):
        shop.place((product, 1), payment_method="pm_card_chargeDeclined")
    assert "Nobody Shall" not in orderd.log()
    assert "pm_card" not in orderd.log()
    assert isinstance(shop.place((product, 1)), orders.OrderConfirmation)
