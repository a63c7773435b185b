"""Reads the files of losses that its arguments name, each with all libraries for its format. Prints the columns as JSON, NaN as null."""

import json
import math
import sys

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

READERS = {
    "parquet": [
        lambda path: pq.read_table(path).to_pydict(),
        lambda path: pl.read_parquet(path).to_dict(as_series=False),
        lambda path: duckdb.sql(f"FROM '{path}'").to_arrow_table().to_pydict(),
    ],
    "csv": [
        lambda path: duckdb.sql(f"FROM read_csv('{path}', allow_quoted_nulls = false)").to_arrow_table().to_pydict(),
    ],
    "arrow": [
        lambda path: pa.ipc.open_file(path).read_all().to_pydict(),
        lambda path: pl.read_ipc(path).to_dict(as_series=False),
    ],
    "npy": [lambda path: {"loss": np.load(path).ravel().tolist()}],
}


def null_if_nan(value):
    return None if isinstance(value, float) and math.isnan(value) else value


def read(path):
    for reader in READERS[path.rsplit(".", 1)[1]]:
        yield {name: list(map(null_if_nan, values)) for name, values in reader(path).items()}


print(json.dumps([list(read(path)) for path in sys.argv[1:]]))
