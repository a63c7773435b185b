"""Writes pairs of embeddings as pyarrow, polars and numpy write them, into the folder that is given. Prints for each file the sum of
the distances by numpy and math.fsum."""

import json
import math
import os
import sys

import numpy
import polars
import pyarrow
import pyarrow.feather

folder = sys.argv[1]
generator = numpy.random.default_rng(11)
rows = 3000


def total(left, right, dtype):
    def distance(l, r):
        d = ((dtype(l) - dtype(r)) + dtype(1e-6)).astype(numpy.float64)
        return float(dtype(math.sqrt(math.fsum(d * d))))

    distances = [distance(numpy.array(l), numpy.array(r)) for l, r in zip(left, right) if l is not None and r is not None]
    return {"sum": math.fsum(distances), "count": len(distances)}


def lists(width):
    sizes = generator.integers(0, 50, rows) if width is None else [width] * rows
    sides = [[(generator.random(size) - 0.5).astype(numpy.float32).tolist() for size in sizes] for _ in range(2)]
    for side in sides:
        for row in generator.integers(0, rows, 100):
            side[row] = None
    return sides


answers = {}
ragged, fixed = lists(None), lists(12)
types = {
    "list": (ragged, pyarrow.list_(pyarrow.float32())),
    "large": (ragged, pyarrow.large_list(pyarrow.float32())),
    "fixed": (fixed, pyarrow.list_(pyarrow.float32(), 12)),
}
for name, ((left, right), type) in types.items():
    columns = {"l": pyarrow.array(left, type), "r": pyarrow.array(right, type), "y": pyarrow.array([1] * rows, pyarrow.int8())}
    table = pyarrow.table(columns)
    part = table.slice(100, 2000)
    for compression in ("uncompressed", "lz4", "zstd"):
        file = f"{name}-{compression}.arrow"
        pyarrow.feather.write_feather(part, os.path.join(folder, file), compression=compression, chunksize=333)
        answers[file] = total(left[100:2100], right[100:2100], numpy.float32)
    file = f"{name}.arrows"
    with pyarrow.ipc.new_stream(os.path.join(folder, file), table.schema) as stream:
        stream.write_table(table.slice(7, 1500), max_chunksize=100)
    answers[file] = total(left[7:1507], right[7:1507], numpy.float32)

for name, (left, right) in {"polars-list": ragged, "polars-array": fixed}.items():
    inner = polars.Array(polars.Float32, 12) if name == "polars-array" else polars.List(polars.Float32)
    frame = polars.DataFrame({"l": left, "r": right, "y": [1] * rows}, schema={"l": inner, "r": inner, "y": polars.Int8})
    for compression in ("uncompressed", "lz4", "zstd"):
        file = f"{name}-{compression}.arrow"
        frame.write_ipc(os.path.join(folder, file), compression=compression)
        answers[file] = total(left, right, numpy.float32)
    frame.write_parquet(os.path.join(folder, f"{name}.parquet"))
    answers[f"{name}.parquet"] = total(left, right, numpy.float32)

numpy.save(os.path.join(folder, "y.npy"), numpy.ones(rows, numpy.int8))
for dtype in (numpy.float16, numpy.float32):
    left, right = [(generator.random((rows, 9)) - 0.5).astype(dtype) for _ in range(2)]
    for order, save in {"C": numpy.ascontiguousarray, "F": numpy.asfortranarray}.items():
        name = f"{order}-{dtype.__name__}"
        numpy.save(os.path.join(folder, f"{name}-left.npy"), save(left))
        numpy.save(os.path.join(folder, f"{name}-right.npy"), right)
        answers[f"{name}.npy"] = total(left, right, numpy.float32)
    numpy.savez_compressed(os.path.join(folder, f"{dtype.__name__}.npz"), left=left, right=right, y=numpy.ones(rows, numpy.int8))
    answers[f"{dtype.__name__}.npz"] = total(left, right, numpy.float32)

print(json.dumps(answers))
