"""The stock under many hands: three replicas, callers at once, lines in any order. No unit is sold twice, none is lost, and
nobody has to give way to a deadlock.

What was put in is what is left and what orders hold: each test leaves that to the checker of the invariants (V4).
"""

import http.client
import itertools

import grpc
import pytest

import harness
from client import Refused, Shop, at_once, catalog, catalog_pb2_grpc, orders, request_id
from cutting_proxy import HOWS, CuttingProxy
from replicas import Replicas
from web import Web

Confirmation = orders.OrderConfirmation
REPLICAS, CONNECTIONS = 3, 6  # a connection has a hundred streams at most
PATIENCE_SECONDS = 60


class Crowd:
    """Three replicas, and connections enough for all who come at once."""

    def __init__(self, folder, postgres):
        self.replicas = Replicas(folder, postgres, REPLICAS)
        self.shops = [Shop(self.replicas.processes[number % REPLICAS].grpc_addr) for number in range(CONNECTIONS)]

    def close(self):
        for shop in self.shops:
            shop.close()
        self.replicas.stop()

    def shop(self, index=0):
        return self.shops[index % CONNECTIONS]

    def place(self, index, *pairs, **fields):
        return self.shop(index).place(*pairs, timeout=PATIENCE_SECONDS, **fields)

    def adjust(self, index, product, delta):
        return self.shop(index).catalog.AdjustStock(catalog.AdjustStockRequest(
            id=product.id, delta=delta, request_id=request_id()), PATIENCE_SECONDS)

    def available(self, product):
        return self.shop().available(product)


@pytest.fixture(scope="module", name="crowd_of_all")
def fixture_crowd_of_all(folder, postgres):
    crowd = Crowd(folder, postgres)
    yield crowd
    crowd.close()


@pytest.fixture(name="crowd")
def fixture_crowd(crowd_of_all, postgres):
    """Whatever they do, the sums agree afterwards, and the database has seen no deadlock."""
    before = postgres.process.log().count("deadlock detected")
    yield crowd_of_all
    crowd_of_all.replicas.check()
    assert postgres.process.log().count("deadlock detected") == before


def reasons(answers):
    return {answer.reason for answer in answers if isinstance(answer, Refused)}


def test_five_hundred_callers_buy_fifty_units_exactly(crowd):
    product = crowd.shop().product(stock=50)
    answers = at_once(500, lambda index: crowd.place(index, (product, 1)))
    assert sum(isinstance(answer, Confirmation) for answer in answers) == 50
    assert reasons(answers) == {"OUT_OF_STOCK"}
    assert crowd.available(product) == 0


def test_lines_in_opposite_order_never_deadlock(crowd):
    products = [crowd.shop().product(stock=1000) for _ in range(4)]
    orders_of_lines = list(itertools.permutations(products))
    cards = ("pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined")  # which gives its stock back

    def work(index):
        if index % 5 == 4:
            return crowd.adjust(index, products[index % 4], index % 3 - 1 or 2)
        chosen = orders_of_lines[index * 7 % len(orders_of_lines)]
        return crowd.place(index, *((product, 1) for product in chosen), payment_method=cards[index % 3])
    answers = at_once(300, work)
    assert reasons(answers) == {"PAYMENT_DECLINED"}
    for number, product in enumerate(products):
        sold = sum(isinstance(answer, Confirmation) for answer in answers)
        moved = sum(index % 3 - 1 or 2 for index in range(300) if index % 5 == 4 and index % 4 == number)
        harness.wait_until(lambda p=product, m=moved: crowd.available(p) == 1000 + m - sold, PATIENCE_SECONDS,
                           f"{moved} to have moved and {sold} to be sold of {product.id}")


def test_orders_and_adjustments_that_race_for_the_last_units_share_them(crowd):
    product = crowd.shop().product(stock=100)
    answers = at_once(200, lambda index: crowd.adjust(index, product, -1) if index % 2 else
                      crowd.place(index, (product, 1)))
    assert sum(not isinstance(answer, Refused) for answer in answers) == 100
    assert reasons(answers) <= {"OUT_OF_STOCK", "STOCK_BELOW_ZERO"}
    assert crowd.available(product) == 0


# ------------------------------------------------------------------------------ an answer that is lost


def adjust_by_grpc(port, request):
    """The answer, or None when the line broke."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            return catalog_pb2_grpc.CatalogStub(channel).AdjustStock(request, PATIENCE_SECONDS)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            return None


def adjust_by_http(port, request):
    body = {"delta": str(request.delta)}
    try:
        answer = Web(port).post(f"/v1/products/{request.id}:adjustStock", body, Idempotency_Key=request.request_id)
    except (http.client.HTTPException, ConnectionError):
        return None
    return answer.json if answer.body else None


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("adjust, port", [(adjust_by_grpc, "grpc_port"), (adjust_by_http, "http_port")],
                         ids=["grpc", "http"])
def test_an_adjustment_whose_answer_was_lost_is_repeated_and_moves_once(crowd, adjust, port, how):
    product = crowd.shop().product(stock=100)
    proxy = CuttingProxy(getattr(crowd.replicas.processes[0], port))
    assert adjust(proxy.port, catalog.AdjustStockRequest(id=product.id, delta=1, request_id=request_id()))
    size, expected, lost = proxy.passed["back"], 101, 0
    for missing in (20, 30, 45, 60):  # in the answer itself, not in what a connection begins with
        request = catalog.AdjustStockRequest(id=product.id, delta=5, request_id=request_id())
        proxy.cut("back", size - missing, how)
        lost += adjust(proxy.port, request) is None
        expected += 5
        for shop in crowd.shops[:REPLICAS]:  # each of the replicas
            assert shop.catalog.AdjustStock(request, PATIENCE_SECONDS).available == expected
    proxy.close()
    assert lost >= 2
    assert crowd.available(product) == expected
