"""A line that breaks behind any byte of what is said about an order: to PostgreSQL, to the payment API, to shipping, or to
the client by either door. The order is fulfilled once, and its client is told so.

CRASH=all cuts behind every byte, otherwise it is a sample.
"""

import os
import random

import pytest

import crash
import cuts
import harness

LANES = 6
# Cuts of each way of each link, unless CRASH=all.
SAMPLE = 8
SEED = 6


@pytest.fixture(scope="module", name="lanes")
def fixture_lanes(postgres):
    folder = harness.work_folder("cuts")
    lanes = crash.Places(LANES, lambda number: cuts.Lane(folder, postgres, number))
    yield lanes
    lanes.close()


def sample(found, what):
    """All of them, or some of each way."""
    if os.environ.get("CRASH") == "all":
        return found
    chance = random.Random(f"{SEED} {what}")
    return [cut for way in cuts.WAYS for cut in chance.sample([cut for cut in found if cut.way == way], SAMPLE)]


@pytest.mark.parametrize("link", cuts.LINKS)
def test_a_line_that_breaks_behind_any_byte_changes_no_order(lanes, link):
    sizes, = lanes.each([link], cuts.measure)
    assert not isinstance(sizes, Exception), sizes
    chosen = sample(list(cuts.cuts_of(link, sizes)), link)
    results = lanes.each(chosen, cuts.run)
    problems = [f"{cut}: {type(result).__name__} {result}" for cut, result in zip(chosen, results)
                if isinstance(result, Exception)]
    assert not problems, f"{len(problems)} of {len(chosen)} runs went wrong:\n" + "\n\n".join(problems)
    lanes.all(cuts.Lane.check)
