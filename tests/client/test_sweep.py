"""Three replicas under a steady load: each fault point kills one of them or all, so do random moments; PostgreSQL is killed;
one sleeps beyond its lease; lines are cut. With a payment API that honours idempotency keys, and with one that does not.

CRASH=all dies at every point; otherwise a round of each is a sample.
"""

import os
import random

import pytest

import crash
import harness
import sweep
from test_crash import ALL_POINTS, has_fault_points

SEED = 7
# What is done in every round, besides killing one at each of its points, and all of them.
OTHERS = (sweep.kill_one, sweep.kill_all, sweep.kill_postgres, sweep.sleep_beyond_lease, sweep.cut_lines)
POINTS_A_ROUND = 2
# Those that every round kills in any case: as many again die at a point, when it is passed in time.
KILLED = 1 + 3 + POINTS_A_ROUND * (1 + 3)
# Not passed in this load: undos that take a day, shipments that leave, a process that is asked to end.
ELSEWHERE = {point for point in ALL_POINTS if "STUCK" in point or point.startswith(
    ("advance.RECALLING-FULFILLED", "give_back", "batch.saga_give_back"))}
POINTS = sorted(ALL_POINTS - ELSEWHERE)


@pytest.fixture(scope="module", name="durable_postgres")
def fixture_durable_postgres(folder):  # after which whatever is left is ended
    """One that writes to the disk before it says so, to be killed."""
    del folder
    postgres = harness.Postgres(harness.work_folder("durable"))
    yield postgres
    postgres.stop()


def rounds(name):
    """Lists of disturbances, each mixed."""
    chance = random.Random(f"{SEED} {name}")
    points = chance.sample(POINTS, len(POINTS) if os.environ.get("CRASH") == "all" else POINTS_A_ROUND)
    for first in range(0, len(points), POINTS_A_ROUND):
        here = points[first:first + POINTS_A_ROUND]
        disturbances = [*OTHERS, *map(sweep.one_dies_at, here), *map(sweep.all_die_at, here)]
        yield chance.sample(disturbances, len(disturbances))


@pytest.mark.parametrize("keys", ["honoured", "ignored"])
def test_whatever_dies_under_load_every_order_happens_once(durable_postgres, keys):
    if not has_fault_points():
        pytest.skip("built without FAULT_POINTS")
    for number, disturbances in enumerate(rounds(keys)):
        before = crash.toll.counts["killed"]
        sweep.run(durable_postgres, disturbances, f"{SEED} {keys} {number}", keys == "ignored")
        assert crash.toll.counts["killed"] - before >= KILLED, crash.toll.counts
