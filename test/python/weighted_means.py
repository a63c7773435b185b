"""Reads cases of pairs and weights as JSON, and prints the exact weighted sums and means, each rounded once."""

import json
import math
import struct
import sys
from fractions import Fraction


def float32(value):
    return struct.unpack('f', struct.pack('f', value))[0]


def nearest(value):
    """The nearest double of a fraction, infinite beyond the doubles."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def weigh(dtype, margin, pairs):
    round_to = float32 if dtype == 'float32' else float
    weight = total = Fraction(0)
    for x, y, w in ([float(each) for each in pair] for pair in pairs):  # JSON has large doubles as integers
        loss = x if y == 1 else max(0.0, round_to(round_to(margin) - x))
        total += Fraction(w) * Fraction(loss)
        weight += Fraction(w)
    mean = nearest(total / weight) if weight else math.nan
    return [repr(each) for each in (nearest(total), mean, nearest(weight))]


print(json.dumps([weigh(**case) for case in json.load(sys.stdin)]))
