"""Seconds that polars and pandas, where installed, take for the totals of a Parquet file of columns x and y."""

import json
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


def least(run, file, rounds=3):
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run(file)
        times.append(time.perf_counter() - begin)
    return min(times)


found = {}
for name, run in {"polars": polars_totals, "pandas": pandas_totals}.items():
    try:
        found[name] = least(run, sys.argv[1])
    except ImportError:
        pass
print(json.dumps(found))
