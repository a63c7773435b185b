"""The loss of Parquet files, scored by the tasks of Spark: a partial comes back from each, and merge folds them to the bits of one machine.

python score.py pairs.parquet --input distance --label label
python score.py pairs.parquet --input distance --label label --by-duckdb
"""

import argparse
import json
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa
from pyspark import SparkFiles
from pyspark.sql import SparkSession

Batches = Iterator[pa.RecordBatch]


def partial_by_program(command: list[str], input: str, label: str) -> Callable[[Batches], Batches]:
    """A task that hands its batches to `hinge-embedding-loss partial -`, as an Arrow stream on standard input."""

    def score(batches: Batches) -> Batches:
        arguments = ['partial', '-', '--input', input, '--label', label, '--threads', '1']
        first = next(batches, None)
        if first is None:
            return
        pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
        with subprocess.Popen([*command, *arguments], **pipes) as program:
            try:
                with pa.ipc.new_stream(program.stdin, first.schema) as stream:
                    for batch in chain([first], batches):
                        stream.write_batch(batch)
            except BrokenPipeError:
                pass  # the program has ended before its input, and says why
            printed, said = program.communicate()
        if program.returncode != 0:
            raise RuntimeError(said.decode())
        yield pa.record_batch({'partial': [printed.decode()]})

    return score


def partial_by_duckdb(extension: str, input: str, label: str) -> Callable[[Batches], Batches]:
    """A task that has the extension in a DuckDB of its own, without another process."""

    def score(batches: Batches) -> Batches:
        first = next(batches, None)
        if first is None:
            return
        connection = duckdb.connect(config={'allow_unsigned_extensions': 'true', 'threads': '1'})
        connection.load_extension(SparkFiles.get(extension))
        connection.register('pairs', pa.RecordBatchReader.from_batches(first.schema, chain([first], batches)))
        query = f'SELECT hinge_embedding_loss_partial({input}, {label}) AS partial FROM pairs'
        [(partial,)] = connection.sql(query).fetchall()
        yield pa.record_batch({'partial': [partial]})

    return score


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('files', nargs='+')
    parser.add_argument('--input', required=True)
    parser.add_argument('--label', required=True)
    parser.add_argument('--by-duckdb', action='store_true')
    parser.add_argument('--command', type=shlex.split, default=['npx', 'hinge-embedding-loss'])
    options = parser.parse_args()

    spark = SparkSession.builder.getOrCreate()
    pairs = spark.read.parquet(*options.files).select(options.input, options.label)
    if options.by_duckdb:
        extension = Path(subprocess.check_output([*options.command, 'duckdb-extension'], text=True).strip())
        spark.sparkContext.addFile(str(extension))
        task = partial_by_duckdb(extension.name, options.input, options.label)
    else:
        task = partial_by_program(options.command, options.input, options.label)
    partials = [row.partial for row in pairs.mapInArrow(task, 'partial string').collect()]
    with tempfile.NamedTemporaryFile('w', suffix='.json') as parts:
        parts.write('\n'.join(partials))
        parts.flush()
        print(subprocess.check_output([*options.command, 'merge', parts.name, '--json'], text=True), end='')


if __name__ == '__main__':
    main()
