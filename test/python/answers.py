"""Runs a list of SQL queries on one connection that has the extension. Prints a list of their rows or errors."""

import json
import sys

import duckdb


def run(connection, query):
    try:
        return connection.execute(query).fetchall()
    except duckdb.Error as error:
        return str(error)


request = json.load(sys.stdin)
connection = duckdb.connect(config=request["config"])
connection.load_extension(request["extension"])
print(json.dumps([run(connection, query) for query in request["queries"]]))
