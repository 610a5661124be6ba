"""Compiled loop of Gaussian mixtures: logarithms of densities to shares of each word.

The tests' type checker must leave what numba compiles alone, hence no_type_check.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True)
@no_type_check
def shares_in_place(logits, constants, weights, power, exponent, whole):
    """Softmax to the base 2 of each row of `logits + constants`, written over the logits.

    The exponential is the polynomial of degree 5 with the least relative error on [-1/2, 1/2], times a power of two
    made from its bits, so that the compiler can take many words at once; it is right to 3e-7. A row stays in the
    nearest cache from loop to loop.

    Args:
        logits: (rows, words) float32, logarithms to the base 2; becomes the shares.
        constants: (words) float32, added to every row.
        weights: (words) float32; the sums of the shares are added to it.
        power: (words) float32, room to work in.
        exponent: (words) int32, room to work in.
        whole: (words) float32, the same bytes as exponent.

    Returns:
        The sum of the rows' logarithms to the base 2 of the sum of 2 ** logit.
    """
    words = logits.shape[1]
    total = 0.0
    for number in range(logits.shape[0]):
        row = logits[number]
        top = np.float32(-3e38)
        for word in range(words):
            value = row[word] + constants[word]
            row[word] = value
            top = max(top, value)
        for word in range(words):
            value = max(row[word] - top, np.float32(-126.0))
            nearest = np.floor(value + np.float32(0.5))
            rest = value - nearest
            exponent[word] = (np.int32(nearest) + np.int32(127)) << np.int32(23)
            series = np.float32(1.32764721e-3)
            series = series * rest + np.float32(9.6755414e-3)
            series = series * rest + np.float32(5.55071327e-2)
            series = series * rest + np.float32(2.40221197e-1)
            series = series * rest + np.float32(6.93146967e-1)
            power[word] = series * rest + np.float32(1.00000007)
        sum_of_row = np.float32(0.0)
        for word in range(words):
            value = power[word] * whole[word]
            row[word] = value
            sum_of_row += value
        inverse = np.float32(1.0) / sum_of_row
        for word in range(words):
            value = row[word] * inverse
            row[word] = value
            weights[word] += value
        total += top + np.log2(sum_of_row)
    return total
