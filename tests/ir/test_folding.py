"""The fold schedule executed step by step gives the matrix product, whatever is skipped."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.folding import Folding, divisors, fold_rows, fold_schedule, weight_words
from hbnn_hw.planes import to_bipolar
from tests.graphs import random_weights


@given(st.data())
def test_executing_the_steps_gives_the_matrix_product(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    rows, columns = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 24))
    coefficients = data.draw(st.sampled_from([(1,), (2, 1), (5, 3, 2)]))
    weights = random_weights(rng, rows, columns, coefficients, data.draw(st.booleans()), zero_bit=True)
    folding = Folding(
        data.draw(st.sampled_from(divisors(rows))), data.draw(st.sampled_from(divisors(columns)))
    )
    schedule = fold_schedule(weights, folding)
    bits, masks = weight_words(weights, folding, schedule)
    x = rng.integers(0, 2, columns)
    buffer: dict[int, np.ndarray] = {}
    stream = iter(x.reshape(-1, folding.simd))
    outputs = []
    for step in range(schedule.n_steps):
        if schedule.first_of_row_fold[step]:
            accumulators = np.zeros(folding.pe, dtype=np.int64)
        column_fold = int(schedule.column_fold[step])
        if schedule.reads_stream[step]:
            buffer[column_fold] = next(stream)
        products = to_bipolar(bits[step]) * to_bipolar(buffer[column_fold]) * masks[step]
        accumulators += coefficients[schedule.plane[step]] * products.sum(axis=1)
        if schedule.last_of_row_fold[step]:
            outputs.append(accumulators)
    assert next(stream, None) is None
    assert np.array_equal(np.concatenate(outputs), weights.values() @ to_bipolar(x))


def test_a_full_plane_takes_neuron_fold_times_synapse_fold_cycles():
    weights = random_weights(np.random.default_rng(0), 64, 576)
    assert fold_schedule(weights, Folding(16, 64)).n_steps == (64 // 16) * (576 // 64)


def test_row_tables_are_cut_so_that_pe_i_has_row_fold_times_pe_plus_i():
    assert fold_rows(np.arange(6), Folding(2, 1)).tolist() == [[0, 1], [2, 3], [4, 5]]
