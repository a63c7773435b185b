"""Scores mutants of Arrow IPC files and streams with pyarrow, and of pairs of .npy with numpy.

Reads a list of them as JSON and prints a list of answers. An answer has the figures that hinge-embedding-loss prints with --nulls ignore
and --other-labels ignore, computed by fractions, or the reason why the file was refused.
"""

import json
import math
import resource
import sys
from fractions import Fraction

import numpy as np
import pyarrow as pa

GIGABYTE = 2**30
MARGIN = 1


def exact_sum(values):
    values = [float(value) for value in values]
    if any(map(math.isnan, values)) or {math.inf, -math.inf} <= set(values):
        return "NaN"
    for infinite, name in [(math.inf, "Infinity"), (-math.inf, "-Infinity")]:
        if infinite in values:
            return name
    total = sum(map(Fraction, values), Fraction(0))
    try:
        return float(total)
    except OverflowError:
        return "Infinity" if total > 0 else "-Infinity"


def figures(x, y):
    is_positive, is_negative = y == 1, y == -1
    below = x[is_negative]
    with np.errstate(all="ignore"):
        hinged = np.where(np.isnan(below), below, np.maximum(x.dtype.type(0), x.dtype.type(MARGIN) - below))
    return {
        "count": int(is_positive.sum() + is_negative.sum()),
        "sum": exact_sum([*x[is_positive], *hinged]),
        "positives": {"count": int(is_positive.sum()), "sum": exact_sum(x[is_positive])},
        "negatives": {"count": int(is_negative.sum()), "sum": exact_sum(hinged), "active": int((below < MARGIN).sum())},
        "others": int(len(y) - is_positive.sum() - is_negative.sum()),
    }


def as_inputs(values):
    if values.dtype == np.bool_ or values.dtype.kind not in "iuf":
        raise TypeError(f"input of {values.dtype}")
    native = values.astype(np.float32 if values.dtype.itemsize == 2 and values.dtype.kind == "f" else values.dtype.newbyteorder("="))
    return native if values.dtype.kind == "f" else native.astype(np.float64)


def as_labels(values):
    if values.dtype.kind not in "biuf":
        raise TypeError(f"label of {values.dtype}")
    return values


def read_column(table, name):
    [index] = table.schema.get_all_field_indices(name)
    found = table.column(index)
    if pa.types.is_dictionary(found.type):
        found = pa.chunked_array([chunk.dictionary_decode() for chunk in found.chunks], found.type.value_type)
    return found


def to_numpy(values):
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)):
        raise TypeError(f"column of {values.type}")
    return values.to_numpy() if len(values) else np.array([], values.type.to_pandas_dtype())


def judge_arrow(path, input, label, by=None):
    with open(path, "rb") as file:
        content = file.read()
    source = pa.py_buffer(content)
    reader = pa.ipc.open_file(source) if content[:4] == b"ARRO" else pa.ipc.open_stream(source)
    table = reader.read_all()
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        # Other columns may be damaged.
        for name in filter(None, [input, label, by]):
            [index] = table.schema.get_all_field_indices(name)
            table.column(index).validate(full=True)
    x, y = read_column(table, input), read_column(table, label)
    complete = pa.compute.and_(x.is_valid(), y.is_valid())
    answer = figures(as_inputs(to_numpy(x.filter(complete))), as_labels(to_numpy(y.filter(complete))))
    if by is not None:
        groups = {}
        keys = read_column(table, by).to_pylist()
        for key, is_complete, a, b in zip(keys, complete.to_pylist(), x, y):
            xs, ys = groups.setdefault(json.dumps(key, ensure_ascii=False), ([], []))
            if is_complete:
                xs.append(a.as_py())
                ys.append(b.as_py())
        dtype = x.type.to_pandas_dtype() if pa.types.is_floating(x.type) else np.float64
        answer["groups"] = {
            key: [found["count"], found["sum"]]
            for key, (xs, ys) in groups.items()
            for found in [figures(as_inputs(np.array(xs, dtype)), np.array(ys))]
        }
    return answer


def judge_npy(input, label):
    x, y = np.load(input), np.load(label)
    if x.shape != y.shape:
        raise ValueError("shapes differ")
    return figures(as_inputs(x).ravel(), as_labels(y).ravel())


def answer(question):
    try:
        if question.pop("kind") == "npy":
            return judge_npy(**question)
        return judge_arrow(**question)
    except (Exception, MemoryError) as error:
        return {"refused": f"{type(error).__name__}: {error}"[:200]}


if __name__ == "__main__":
    import pyarrow.compute  # noqa: F401

    resource.setrlimit(resource.RLIMIT_AS, (16 * GIGABYTE, 16 * GIGABYTE))
    print(json.dumps([answer(question) for question in json.load(sys.stdin)]))
