"""What the named ones take over a file, where they are installed.

polars, pandas: seconds of the totals of a Parquet file of columns x and y; mapped: seconds of reading the memory-mapped
bytes, with numpy; duckdb: decoding x and y / our query, with 1 and 2 threads, and DuckDB's version. Its last argument
is the extension.
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


def least(*runs, rounds=9):
    """The least seconds of each, all measured in turn."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for i, run in enumerate(runs):
            begin = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - begin)
    return best


def duckdb_ratios(file, extension):
    import duckdb

    ratios = {}
    for threads in (1, 2):
        config = {"allow_unsigned_extensions": "true", "threads": threads}
        connection = duckdb.connect(config=config)
        connection.load_extension(extension)

        def query(select):
            return lambda: connection.sql(f"SELECT {select} FROM '{file}'").fetchall()

        ours, sums = least(query("hinge_embedding_loss(x, y)"), query("sum(x), sum(y)"), rounds=25)
        ratios[threads] = sums / ours
    return {"version": duckdb.__version__, "ratios": ratios}


def seconds(run):
    return lambda file, *_: least(lambda: run(file), rounds=5)[0]


known = {
    "polars": seconds(polars_totals),
    "pandas": seconds(pandas_totals),
    "mapped": seconds(mapped_sum),
    "duckdb": duckdb_ratios,
}
names = [argument for argument in sys.argv[1:] if argument in known]
found = {}
for name in names:
    try:
        found[name] = known[name](*sys.argv[1 + len(names) :])
    except ImportError:
        pass
print(json.dumps(found))
