"""Seconds that the named ones take over a file, where they are installed.

polars, pandas: the totals of a Parquet file of columns x and y; mapped: reading the memory-mapped bytes, with numpy.
"""

import json
import os
import sys
import time


def polars_totals(file):
    import polars as pl

    x, y = pl.col("x"), pl.col("y")
    hinge = pl.max_horizontal(1 - x, pl.lit(0, dtype=pl.Float32))
    is_positive, is_negative = y == 1, y == -1
    return (
        pl.scan_parquet(file)
        .select(
            mean=pl.when(is_positive).then(x).otherwise(hinge).mean(),
            positives=is_positive.sum(),
            positive_sum=x.filter(is_positive).sum(),
            negatives=is_negative.sum(),
            negative_sum=hinge.filter(is_negative).sum(),
            active=(is_negative & (x < 1)).sum(),
        )
        .collect()
    )


def pandas_totals(file):
    import pandas as pd

    pairs = pd.read_parquet(file, columns=["x", "y"])
    hinge = (1 - pairs.x).clip(lower=0)
    is_positive, is_negative = pairs.y == 1, pairs.y == -1
    return (
        pairs.x.where(is_positive, hinge).mean(),
        is_positive.sum(),
        pairs.x[is_positive].sum(),
        is_negative.sum(),
        hinge[is_negative].sum(),
        (is_negative & (pairs.x < 1)).sum(),
    )


def mapped_sum(file):
    import numpy as np

    return np.memmap(file, np.uint64, "r", shape=os.path.getsize(file) // 8).max()


def least(run, file, rounds=5):
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run(file)
        times.append(time.perf_counter() - begin)
    return min(times)


known = {"polars": polars_totals, "pandas": pandas_totals, "mapped": mapped_sum}
found = {}
*names, file = sys.argv[1:]
for name in names:
    try:
        found[name] = least(known[name], file)
    except ImportError:
        pass
print(json.dumps(found))
