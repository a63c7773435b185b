"""Writes the tables and arrays that the tests of readers score, with the libraries whose files people have."""

import datetime
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

SIZES = [1, 7, 0, 64, 8]
ROWS = range(sum(SIZES))
WIDE = [i * 37 % 97 / 30 for i in ROWS]
LABEL = [1 if i % 10 == 3 else -1 for i in ROWS]
WORDS = ["near", "", None, 'a "quoted", word\n', "größer", "Z", "a much longer word than fits a view: 𝔸"]
FLOATS = [0.1, -0.0, float("nan"), 0.0, None, 1e300, float("-inf"), -2.5, 3.0]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

BYTES = ["utf8", "large_utf8", "string_view", "binary", "large_binary", "binary_view"]
UNIONS = ["sparse_union", "dense_union"]


def gaps(values, every):
    return [None if i % every == every - 2 else value for i, value in enumerate(values)]


def cycle(values):
    return [values[i % len(values)] for i in ROWS]


def plain():
    """Columns of the types that all writers of Arrow have."""
    zero_one = [1 if label == 1 else 0 for label in LABEL]
    days = [None if i % 9 == 4 else datetime.date(1969, 12, 28) + datetime.timedelta(i % 8) for i in ROWS]
    return {
        "distance": pa.array(WIDE, pa.float32()),
        "wide": pa.array(WIDE, pa.float64()),
        "gap": pa.array(gaps(WIDE, 7), pa.float64()),
        "label": pa.array(LABEL, pa.int8()),
        "mark": pa.array(gaps(LABEL, 5), pa.float32()),
        "alike": pa.array(gaps([label == 1 for label in LABEL], 11)),
        **{name: pa.array(zero_one, name) for name in INTEGERS},
        "text": pa.array(cycle(WORDS), pa.utf8()),
        "real": pa.array(cycle(FLOATS), pa.float64()),
        "single": pa.array(cycle(FLOATS), pa.float64()).cast(pa.float32(), safe=False),
        "whole": pa.array(cycle([3, -(2**63), None, 2**63 - 1, 0]), pa.int64()),
        "counting": pa.array(cycle([2**64 - 1, 7, None]), pa.uint64()),
        "day": pa.array(days, pa.date32()),
    }


def texts():
    """Text in its other layouts, and dictionary-encoded columns."""
    words = pa.array(cycle(WORDS), pa.utf8())
    codes = pa.array(gaps([int(label == 1) for label in LABEL], 4), pa.int8())
    doubtful = pa.array([1.5, None, 0.25])
    return {
        "large": words.cast(pa.large_utf8()),
        "view": words.cast(pa.string_view()),
        "coded": words.dictionary_encode(),
        "coded_gap": pa.array(gaps(WIDE, 7), pa.float64()).dictionary_encode(),
        "coded_label": pa.array(LABEL, pa.int64()).dictionary_encode(),
        "coded_alike": pa.DictionaryArray.from_arrays(codes, pa.array([False, True])),
        "coded_null": pa.DictionaryArray.from_arrays(pa.array(cycle([0, 1, 2, None]), pa.uint16()), doubtful),
        "coded_day": plain()["day"].dictionary_encode(),
        "instant": plain()["day"].cast(pa.date64()),
    }


def others():
    """A column of each type that is not scored."""
    words = gaps([f"{i % 7}" * (i % 6) for i in ROWS], 5)
    lists = gaps([[i] * (i % 3) for i in ROWS], 6)
    numbers, strings = pa.array(ROWS, pa.int64()), pa.array(map(str, ROWS))
    kinds = pa.array([i % 2 for i in ROWS], pa.int8())
    places = pa.array(ROWS, pa.int32())
    return {
        "null": pa.nulls(len(ROWS)),
        "bool": pa.array(gaps([i % 3 == 0 for i in ROWS], 5)),
        **{name: pa.array(words).cast(getattr(pa, name)()) for name in BYTES},
        "list": pa.array(lists, pa.list_(pa.int32())),
        "large_list": pa.array(lists, pa.large_list(pa.int8())),
        "views": pa.array(gaps([[word] * 2 for word in words], 6), pa.list_(pa.string_view())),
        "fixed_size_list": pa.array(gaps([[i, i] for i in ROWS], 6), pa.list_(pa.int16(), 2)),
        "struct": pa.array(gaps([{"a": i, "b": str(i), "c": [i]} for i in ROWS], 6)),
        "map": pa.array([[("key", i)] for i in ROWS], pa.map_(pa.utf8(), pa.int64())),
        "sparse_union": pa.UnionArray.from_sparse(kinds, [numbers, strings]),
        "dense_union": pa.UnionArray.from_dense(kinds, places, [numbers, strings]),
        "dictionary": pa.array(words).dictionary_encode(),
        "dictionaries": pa.array(gaps([[word] for word in words], 6), pa.list_(pa.dictionary(pa.int16(), pa.utf8()))),
        "decimal32": pa.array(map(Decimal, ROWS), pa.decimal32(5, 1)),
        "decimal64": pa.array(map(Decimal, ROWS), pa.decimal64(12, 2)),
        "decimal128": pa.array(map(Decimal, ROWS), pa.decimal128(20, 3)),
        "decimal256": pa.array(map(Decimal, ROWS), pa.decimal256(40, 4)),
        "float16": pa.array(np.arange(len(ROWS)), pa.float16()),
        "date32": pa.array(ROWS, pa.int32()).cast(pa.date32()),
        "date64": pa.array(ROWS, pa.int32()).cast(pa.date32()).cast(pa.date64()),
        "time32": pa.array(ROWS, pa.time32("s")),
        "time64": pa.array(ROWS, pa.time64("us")),
        "timestamp": pa.array(ROWS, pa.timestamp("us", "UTC")),
        "duration": pa.array(ROWS, pa.duration("s")),
        "interval": pa.array([(1, 2, i) for i in ROWS], pa.month_day_nano_interval()),
        "fixed_size_binary": pa.array([b"abc"] * len(ROWS), pa.binary(3)),
        "extension": pa.array([bytes([i]) * 16 for i in ROWS], pa.uuid()),
    }


def unknown():
    """Types that apache-arrow lacks, by themselves and nested."""
    lists = gaps([[i] * (i % 3) for i in ROWS], 6)
    ends = pa.array([10, len(ROWS)], pa.int32())
    return {
        "list_view": pa.array(lists, pa.list_view(pa.int32())),
        "large_list_view": pa.array(lists, pa.large_list_view(pa.int32())),
        "run_end_encoded": (encoded := pa.RunEndEncodedArray.from_arrays(ends, pa.array([1.0, 2.0]))),
        "struct_of_unknown": pa.StructArray.from_arrays([pa.array(lists, pa.list_view(pa.int16())), encoded], ["a", "b"]),
        "list_of_unknown": pa.FixedSizeListArray.from_arrays(pa.array(lists + lists, pa.list_view(pa.int8())), 2),
    }


def halves():
    """Columns of float16, which many libraries cannot write."""
    gap = pa.array(gaps(WIDE, 7), pa.float32()).cast(pa.float16())
    return {
        "half": pa.array(WIDE, pa.float32()).cast(pa.float16()),
        "half_gap": gap,
        "half_label": pa.array(LABEL, pa.float32()).cast(pa.float16()),
        "coded_half": pa.DictionaryArray.from_arrays(pa.array(cycle([0, 1, None]), pa.int8()), gap.slice(0, 2)),
        "extreme": pa.array(np.array(cycle([65504, 6e-8, -0.0, 1e-4, np.inf, 0.1]), "f2")),
    }


def between(columns, omitted=(), more={}):
    """A table of the columns, each after one or more columns that are not scored."""
    strange = [(name, array) for name, array in (others() | more).items() if name not in omitted]
    pairs = []
    for i, column in enumerate(columns.items()):
        pairs += [(f"other {name}", array) for name, array in strange[i :: len(columns)]]
        pairs.append(column)
    return pa.table([array for _, array in pairs], [name for name, _ in pairs])


def slices(table, sizes):
    """Record batches whose validity bitmaps begin within a byte."""
    begins = [sum(sizes[:i]) for i in range(len(sizes))]
    columns = [column.combine_chunks() for column in table.columns]
    columns = [column.chunk(0) if isinstance(column, pa.ChunkedArray) else column for column in columns]
    for begin, size in zip(begins, sizes):
        yield pa.RecordBatch.from_arrays([column.slice(begin, size) for column in columns], schema=table.schema)


def write(path, table, sizes=SIZES, **options):
    """Writes Arrow IPC: a file if the name ends in .arrow, a stream if it ends in .arrows."""
    new = pa.ipc.new_file if path.endswith(".arrow") else pa.ipc.new_stream
    with pa.OSFile(path, "wb") as sink, new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in slices(table, sizes):
            writer.write_batch(batch)


def write_parquet(path, table):
    """Writes Parquet without dictionaries, since Parquet has none with nulls among their values."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column for column in table.columns
    ]
    pq.write_table(pa.table(columns, table.column_names), path)


V4 = {"metadata_version": pa.ipc.MetadataVersion.V4}
VARIANTS = {"plain": {}, "v4": V4, "legacy": {**V4, "use_legacy_format": True}}


def of_all_types(folder, sizes, names=None):
    """Unions before V5 are written beside columns of numbers only: of their batches nothing else can be read."""
    numbers = {name: plain()[name] for name in ["distance", "label", "gap", "mark"]}
    unions = {name: others()[name] for name in UNIONS}
    columns = plain() | texts()
    tables = {"unions": pa.table(unions | numbers), "all": between(columns, UNIONS)}
    names = names or [f"{variant}.{end}" for variant in VARIANTS for end in ["arrow", "arrows"]]
    for place, table in tables.items():
        table = table.slice(0, sum(sizes))
        write_parquet(f"{folder}/{place}.parquet", table.select([name for name in table.column_names if name in columns]))
        for name in names:
            variant, end = name.split(".")
            write(f"{folder}/{place}/{name}", table, sizes, unify_dictionaries=end == "arrow", **VARIANTS[variant])


def of_newer_types(folder, sizes):
    columns = plain() | texts() | halves()
    table = between(columns, more=unknown()).slice(0, sum(sizes))
    write_parquet(f"{folder}/newer.parquet", table.select([name for name in table.column_names if name in columns]))
    for end in ["arrow", "arrows"]:
        write(f"{folder}/newer/plain.{end}", table, sizes, unify_dictionaries=end == "arrow")
        write(f"{folder}/newer/lz4.{end}", table, sizes, unify_dictionaries=end == "arrow", compression="lz4")


def of_all_writers(folder, sizes):
    table = pa.table(plain()).slice(0, sum(sizes))
    write_parquet(f"{folder}/plain.parquet", table)
    for end in ["arrow", "arrows"]:
        write(f"{folder}/plain/pyarrow.{end}", table, sizes)
    frame = pl.from_arrow(table)
    for level in ["oldest", "newest"]:
        compat = getattr(pl.CompatLevel, level)()
        frame.write_ipc(f"{folder}/plain/polars-{level}.arrow", compression="uncompressed", compat_level=compat)
        frame.write_ipc_stream(f"{folder}/plain/polars-{level}.arrows", compression="uncompressed", compat_level=compat)
    for codec in ["lz4", "zstd"]:
        write(f"{folder}/plain/pyarrow-{codec}.arrow", table, sizes, compression=codec)
        frame.write_ipc_stream(f"{folder}/plain/polars-{codec}.arrows", compression=codec)
    chunks = pl.concat([frame.slice(0, 3), frame.slice(3, 10), frame.slice(13)], rechunk=False)
    chunks.write_ipc(f"{folder}/plain/polars-chunks.arrow", compression="uncompressed")
    pandas = table.to_pandas(types_mapper=pd.ArrowDtype)
    pandas.to_feather(f"{folder}/plain/pandas.feather", compression="uncompressed", chunksize=9)


DICTIONARIES = {
    "growing": [["a"], ["a", "b"], ["a", "b"], ["a", "b", "ccc", None]],
    "replaced": [["b", "a"], ["a", "b"], ["x"], ["ä", "b", "a", "z"]],
    "growing_numbers": [[0.5], [0.5, 0.25], [0.5, 0.25, -1.0], [0.5, 0.25, -1.0, 1.5]],
    "replaced_numbers": [[0.5], [0.25], [0.5, None, -1.0], [7.0]],
}


def of_changing_dictionaries(folder):
    for name, dictionaries in DICTIONARIES.items():
        values = []
        for i, distinct in enumerate(dictionaries):
            codes = pa.array([None if j % 7 == i else j % len(distinct) for j in range(10)], pa.int8())
            values.append(pa.DictionaryArray.from_arrays(codes, pa.array(distinct)))
        rows = range(10 * len(values))
        distance = pa.array(WIDE[: len(rows)], pa.float32())
        table = pa.table({"value": pa.chunked_array(values), "distance": distance, "label": LABEL[: len(rows)]})
        write_parquet(f"{folder}/{name}.parquet", table)
        for deltas in [False, True]:
            options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
            with pa.ipc.new_stream(f"{folder}/{name}/{deltas}.arrows", table.schema, options=options) as writer:
                writer.write_table(table)
        if name.startswith("growing"):
            options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
            with pa.ipc.new_file(f"{folder}/{name}/file.arrow", table.schema, options=options) as writer:
                writer.write_table(table)


def refused(folder):
    table = pa.table({"distance": pa.array(WIDE[:9], pa.float32()), "label": pa.array(LABEL[:9], pa.int8())})
    words = pa.array(map(str, WIDE[:9]))
    inputs = {
        "decimal": pa.array(map(Decimal, range(9)), pa.decimal128(9, 2)),
        "text": words,
        "coded_text": words.dictionary_encode(),
        "bool": pa.array([True] * 9),
        "date": pa.array(range(9), pa.int32()).cast(pa.date32()),
        "null": pa.nulls(9),
        "twice": table["distance"],
    }
    for name, values in inputs.items():
        write(f"{folder}/{name}.arrow", table.set_column(0, "distance", values), [9])
    write(f"{folder}/twice.arrow", table.append_column("distance", table["distance"]), [9])
    for name, values in unknown().items():
        write(f"{folder}/{name}.arrow", table.set_column(0, "distance", values.slice(0, 9)), [9])
    feather.write_feather(table, f"{folder}/version-1.feather", version=1)
    big_endian(f"{folder}/big-endian.arrows")


def big_endian(path):
    """Writes a schema of one column and patches its vtable: the byte order is read from the length of the list of columns, 1."""
    write(path, pa.table({"distance": pa.array([1.0])}), [1])
    content = Path(path).read_bytes()
    fields = bytes.fromhex("0800 0800 0000 0400 08000000 04000000 01000000")
    assert content.count(fields) == 1
    Path(path).write_bytes(content.replace(fields, fields[:2] + bytes.fromhex("0c00 08") + fields[5:]))


SHAPES = [(24,), (4, 6), (2, 3, 4), (1, 7), (7, 1), (3, 1, 2, 1), (0, 3), (3, 0), (0,), (), (1, 1, 1)]
DTYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]


def values_of(shape, formula, dtype):
    count = int(np.prod(shape))
    return np.array(formula(count), dtype).reshape(shape)


def distances(count):
    return [i * 37 % 97 / 30 for i in range(count)]


def bits(count):
    return [1 if i % 10 == 3 else 0 for i in range(count)]


def save(path, array, version=(1, 0)):
    with open(path, "wb") as file:
        np.lib.format.write_array(file, array, version)


def arrays(folder):
    for shape in SHAPES:
        place = f"{folder}/shapes/{'x'.join(map(str, shape)) or 'none'}"
        Path(place).mkdir(parents=True, exist_ok=True)
        for order in "CF":
            save(f"{place}/input-{order}.npy", np.asarray(values_of(shape, distances, "f4"), order=order))
            save(f"{place}/label-{order}.npy", np.asarray(values_of(shape, bits, "i2"), order=order))
    for place in ["dtypes", "versions", "refused"]:
        Path(f"{folder}/{place}").mkdir(exist_ok=True)
    for dtype in DTYPES:
        for end in "<>":
            save(f"{folder}/dtypes/{dtype}{'-big' * (end == '>')}.npy", values_of((24,), bits, end + dtype))
    for version in [1, 2, 3]:
        save(f"{folder}/versions/{version}.npy", values_of((24,), distances, "f4"), (version, 0))
    refused = {
        "complex": np.zeros(3, "c8"),
        "text": np.array(["a", "b"]),
        "bytes": np.array([b"a", b"b"]),
        "date": np.array(["2024-01-01"], "M8[D]"),
        "structures": np.zeros(3, [("distance", "f4"), ("label", "i1")]),
        "objects": np.array([None, 1], object),
        "long": np.zeros(3, "f8"),
        "short": np.zeros(3, "f8"),
        "square": np.zeros((3, 1), "f8"),
    }
    for name, array in refused.items():
        save(f"{folder}/refused/{name}.npy", array)
    for name, change in {"long": lambda content: content + b"\0", "short": lambda content: content[:-1]}.items():
        path = Path(f"{folder}/refused/{name}.npy")
        path.write_bytes(change(path.read_bytes()))
    np.savez(f"{folder}/refused/archive", input=np.zeros(3))
    Path(f"{folder}/refused/archive.npz").rename(f"{folder}/refused/archive.npy")


def write_all(folder, sizes, names=None):
    for place in ["all", "unions", "newer", "plain", "refused", *DICTIONARIES]:
        Path(f"{folder}/arrow/{place}").mkdir(parents=True, exist_ok=True)
    of_all_types(f"{folder}/arrow", sizes, names)
    of_newer_types(f"{folder}/arrow", sizes)
    of_all_writers(f"{folder}/arrow", sizes)
    of_changing_dictionaries(f"{folder}/arrow")
    refused(f"{folder}/arrow/refused")
    arrays(f"{folder}/npy")


if __name__ == "__main__":
    write_all(sys.argv[1], SIZES)
