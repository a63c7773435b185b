"""Compares hinge_embedding_distance with numpy and exact sums, over columns of pyarrow in every layout, and over Parquet.

Prints the number of distances that it compared, and the first that differ.
"""

import json
import math
import os
import random
import sys
import tempfile

import duckdb
import numpy
import pyarrow
import pyarrow.parquet

request = json.load(sys.stdin)
random.seed(request["seed"])
generator = numpy.random.default_rng(request["seed"])


def expected(left, right, name, dtype):
    """The distance by its definition; math.fsum rounds once. None where a side is null."""
    if left is None or right is None:
        return None
    l, r = numpy.array(left, dtype), numpy.array(right, dtype)
    if name == "cosine":
        l, r = l.astype(numpy.float64), r.astype(numpy.float64)
        norms = math.sqrt(math.fsum(l * l)) * math.sqrt(math.fsum(r * r))
        return float(dtype(1 - math.fsum(l * r) / max(norms, 1e-8)))
    d = numpy.abs((l - r) + dtype(1e-6)).astype(numpy.float64)
    if name == "manhattan":
        return float(dtype(math.fsum(d)))
    if name == "chebyshev":
        return float(max(d, default=0.0))
    return float(dtype(math.sqrt(math.fsum(d * d))))


def lists_of(rows, width, dtype, has_nulls):
    values = []
    for _ in range(rows):
        size = generator.integers(0, 301) if width is None else width
        is_null = has_nulls and random.random() < 0.1
        values.append(None if is_null else (generator.random(size) - 0.5).astype(dtype).tolist())
    return values


def column_of(values, layout, type):
    """An array or chunked array of the values in a layout; the first three rows are cut off again."""
    padded = [[0.5] * 3 if layout != "fixed" else None] * 3 + values
    if layout == "dictionary":
        distinct = pyarrow.array([*values, None, *values], pyarrow.list_(type))
        indices = pyarrow.array([i + len(values) + 1 for i in range(len(values))], pyarrow.int32())
        return pyarrow.DictionaryArray.from_arrays(indices, distinct)
    if layout == "fixed":
        width = max((len(value) for value in values if value is not None), default=1)
        return pyarrow.array(padded, pyarrow.list_(type, width)).slice(3)
    made = pyarrow.array(padded, {"list": pyarrow.list_, "large": pyarrow.large_list}[layout](type)).slice(3)
    half = len(values) // 2
    return pyarrow.chunked_array([made.slice(0, half), made.slice(half)])


connection = duckdb.connect(config=request["config"])
connection.load_extension(request["extension"])
compared, differing = 0, []


def compare(what, found, pairs, name, dtype):
    global compared
    tolerance = 0 if dtype is numpy.float32 else 2**-50
    if len(found) != len(pairs):
        differing.append([what, "rows", len(found), len(pairs)])
    for (value,), (left, right) in zip(found, pairs):
        right_one = expected(left, right, name, dtype)
        compared += 1
        is_equal = value == right_one or (
            value is not None and right_one is not None and abs(value - right_one) <= tolerance * max(1, right_one)
        )
        if not is_equal:
            differing.append([what, value, right_one])


with tempfile.TemporaryDirectory() as folder:
    for dtype, type in ((numpy.float32, pyarrow.float32()), (numpy.float64, pyarrow.float64())):
        for layout in ("list", "large", "fixed", "dictionary"):
            for name in ("euclidean", "manhattan", "chebyshev", "cosine"):
                rows = random.choice((1, 7, 2048, 2500))
                width = random.randint(1, 40) if layout == "fixed" else None
                left = lists_of(rows, width, dtype, has_nulls=random.random() < 0.5)
                right = [
                    None if random.random() < 0.05 else (generator.random(len(each) if each is not None else width or 1) - 0.5).astype(dtype).tolist()
                    for each in left
                ]
                table = pyarrow.table(
                    {"i": list(range(rows)), "l": column_of(left, layout, type), "r": column_of(right, layout, type)}
                )
                pairs = list(zip(left, right))
                call = f"hinge_embedding_distance(l, r, '{name}')"
                what = f"{type} {layout} {name} {rows}"
                connection.register("pairs", table)
                compare(what, connection.execute(f"SELECT {call} FROM pairs").fetchall(), pairs, name, dtype)
                some = [pair for i, pair in enumerate(pairs) if i % 3 == 1]
                filtered = f"SELECT {call} FROM pairs WHERE i % 3 = 1"
                compare(f"{what}, filtered", connection.execute(filtered).fetchall(), some, name, dtype)
                connection.execute("CREATE OR REPLACE TABLE stored AS FROM pairs")
                compare(f"{what}, stored", connection.execute(f"SELECT {call} FROM stored ORDER BY i").fetchall(), pairs, name, dtype)
                one = next((each for each in right if each is not None), None)
                if one is not None:
                    alike = [(l, one) for l in left if l is not None and len(l) == len(one)]
                    constant = (
                        f"SELECT hinge_embedding_distance(l, (SELECT r FROM stored WHERE r IS NOT NULL ORDER BY i LIMIT 1), '{name}') "
                        f"FROM stored WHERE len(l) = {len(one)} ORDER BY i"
                    )
                    compare(f"{what}, constant", connection.execute(constant).fetchall(), alike, name, dtype)
                if layout in ("list", "fixed"):
                    path = os.path.join(folder, "pairs.parquet")
                    pyarrow.parquet.write_table(table, path, row_group_size=random.choice((3, 500, 10_000)))
                    read = f"SELECT {call} FROM '{path}' ORDER BY i"
                    compare(f"{what}, Parquet", connection.execute(read).fetchall(), pairs, name, dtype)

print(json.dumps({"compared": compared, "differing": differing[:5]}))
