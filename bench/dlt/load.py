"""Loads the days of a cost report into Postgres with dlt, and prints how long it took as one line of JSON.

usage: load.py --upstream URL --key KEY --database URL --from DAY --to DAY --write append|merge-day|upsert

It goes the fast way that dlt has: each day becomes one Arrow table, which dlt does not look into row by row, and Postgres
gets it by COPY through ADBC. Of dlt's formats, this one loads these lines fastest. The clock starts with the first request, after Python and dlt are loaded.
"""

import argparse
import datetime
import hashlib
import json
import os
import tempfile
import time
import urllib.request

import dlt
import pyarrow as pa

DIMENSIONS = [
    "workspace_id",
    "description",
    "cost_type",
    "model",
    "token_type",
    "context_window",
    "service_tier",
    "inference_geo",
    "currency",
]
AMOUNT = pa.decimal128(38, 18)


def page_of(upstream, key, day):
    query = (
        f"starting_at={day}T00:00:00Z&ending_at={day + datetime.timedelta(days=1)}T00:00:00Z"
        "&bucket_width=1d&limit=1&group_by[]=workspace_id&group_by[]=description"
    )
    request = urllib.request.Request(
        f"{upstream}/v1/organizations/cost_report?{query}",
        headers={"x-api-key": key, "anthropic-version": "2023-06-01", "user-agent": "Meterline-bench/1"},
    )
    with urllib.request.urlopen(request) as reply:
        return json.loads(reply.read())


def table_of(day, rows, keyed):
    columns = {"day": pa.array([day] * len(rows), pa.date32())}
    if keyed:
        columns["series"] = pa.array([digest_of(row) for row in rows], pa.string())
    for name in DIMENSIONS:
        columns[name] = pa.array([row.get(name) for row in rows], pa.string())
    columns["amount"] = pa.array([row["amount"] for row in rows], pa.string()).cast(AMOUNT)
    return pa.table(columns)


def digest_of(row):
    return hashlib.md5("\t".join([row.get(name) or "" for name in DIMENSIONS]).encode()).hexdigest()


def tables(arguments, counts):
    day = arguments.first
    while day <= arguments.last:
        rows = [row for bucket in page_of(arguments.upstream, arguments.key, day)["data"] for row in bucket["results"]]
        counts["lines"] += len(rows)
        if rows:
            yield table_of(day, rows, arguments.write == "upsert")
        day += datetime.timedelta(days=1)


def hints_of(write):
    if write == "upsert":
        return {"primary_key": ["day", "series"], "write_disposition": {"disposition": "merge", "strategy": "upsert"}}
    if write == "merge-day":
        return {"merge_key": "day", "write_disposition": {"disposition": "merge", "strategy": "delete-insert"}}
    return {"write_disposition": "append"}


def main():
    parser = argparse.ArgumentParser()
    for name in ["--upstream", "--key", "--database"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--from", dest="first", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--write", choices=["append", "merge-day", "upsert"], required=True)
    arguments = parser.parse_args()
    counts = {"lines": 0}
    with tempfile.TemporaryDirectory() as directory:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=directory,
            destination=dlt.destinations.postgres(arguments.database),
            dataset_name=f"dlt_{os.getpid()}",
        )
        started_at = time.monotonic()
        resource = dlt.resource(tables(arguments, counts), name="costs", **hints_of(arguments.write))
        pipeline.run(resource, loader_file_format="parquet")
        seconds = time.monotonic() - started_at
        with pipeline.sql_client() as client:
            stored = client.execute_sql("select count(*) from costs")[0][0]
            client.drop_dataset()
    print(json.dumps({"seconds": seconds, "lines": counts["lines"], "stored": stored}))


main()
