"""The script of the page, run: rows come in the order that Python would put them in."""

import json

import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.templating import static_text

NUMBERS = st.lists(st.none() | st.integers(-5, 5) | st.floats(-1e9, 1e9), max_size=12)


@pytest.fixture(scope="module")
def ordered():
    # Hypothesis does not reset a fixture between examples; the function has no state.
    context = quickjs.Context()
    context.eval(static_text("report/sort.js"))

    def run(keys, direction):
        call = f"JSON.stringify(ordered({json.dumps(keys)}, {json.dumps(direction)}))"
        return json.loads(context.eval(call))

    return run


@given(keys=NUMBERS)
def test_numbers_sort_stably_and_nothing_stands_last(ordered, keys):
    places = range(len(keys))
    present = [at for at in places if keys[at] is not None]
    absent = [at for at in places if keys[at] is None]
    assert ordered(keys, "ascending") == sorted(present, key=lambda at: keys[at]) + absent
    assert ordered(keys, "descending") == sorted(present, key=lambda at: -keys[at]) + absent
    assert ordered(keys, "none") == list(places)


def test_texts_sort_too_and_beside_numbers(ordered):
    assert ordered(["fc2", "conv1", None, "fc1"], "ascending") == [1, 3, 0, 2]
    assert ordered(["fc2", "conv1", None, "fc1"], "descending") == [0, 3, 1, 2]
    assert sorted(ordered(["by rule", 3.5, None], "ascending")) == [0, 1, 2]
