#!/usr/bin/env python3
"""Makes a tuned table of the best configs that sweeps have found.

  table_from_sweep.py results/sweep.json --into lib/Analysis/TunedTables/h100.json

Adds to the table; an entry for the same problem is replaced. A later sweep overrides an earlier one. Needs no GPU.
"""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import problems
import report as reports


TABLE_VERSION = 2


def read(path, kind=None):
    try:
        with open(path) as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        raise reports.ReportError(f"cannot read '{path}': {error}") from error
    version = 1 if kind else TABLE_VERSION
    if document.get("version") != version or document.get("kind") != kind:
        raise reports.ReportError(f"'{path}' is not a {kind or 'tuned table'} of version {version}")
    return document


def make_entry(row, final):
    """`m` is the compiler's key: all rows, or the expected rows of a masked group."""
    return {
        "layout": row.layout,
        "groups": row.groups,
        "m": row.m if row.layout == "masked" else row.rows,
        "n": row.n,
        "k": row.k,
        "config": final["config"],
        "microseconds": round(final["median"], 2),
    }


def merge(table, sweep):
    """Puts the best config of each row of `sweep` into `table`."""
    multiprocessors = sweep["about"]["multiprocessors"]
    if table["multiprocessors"] != multiprocessors:
        raise reports.ReportError(
            f"the table is of {table['multiprocessors']} multiprocessors, the sweep of {multiprocessors}")  # fmt: skip
    key = lambda entry: tuple(entry[name] for name in ("layout", "groups", "m", "n", "k"))
    entries = {key(entry): entry for entry in table["entries"]}
    for found in sweep["rows"]:
        if found["finals"]:
            entry = make_entry(problems.from_dict(found["row"]), min(found["finals"], key=lambda final: final["median"]))
            entries[key(entry)] = entry
    order = {"dense": 0, "contiguous": 1, "masked": 2}
    table["entries"] = sorted(entries.values(), key=lambda entry: (order[entry["layout"]], key(entry)[1:]))


def to_text(table):
    """The format of TunedTable::toJSON: one entry a line."""
    head = ",\n".join(f'  "{name}": {json.dumps(table[name])}' for name in ("version", "machine", "gpu", "multiprocessors"))
    entries = ",".join(f"\n    {json.dumps(entry)}" for entry in table["entries"])
    return f"{{\n{head},\n  \"entries\": [{entries}{chr(10) + '  ' if entries else ''}]\n}}\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="+", metavar="sweep.json", help="what sweep.py wrote")
    parser.add_argument("--into", required=True, metavar="FILE", help="the table; created if it does not exist")
    parser.add_argument("--machine", default="h100", help="of a new table, as --machine of dgemm-gen (default %(default)s)")
    options = parser.parse_args(arguments)
    try:
        sweeps = [read(path, "dgemm-sweep") for path in options.sweeps]
        if os.path.exists(options.into):
            table = read(options.into)
        else:
            about = sweeps[0]["about"]
            table = {"version": TABLE_VERSION, "machine": options.machine, "gpu": about["gpu"], "multiprocessors": about["multiprocessors"], "entries": []}
        for sweep in sweeps:
            merge(table, sweep)
        partial = f"{options.into}.partial"
        with open(partial, "w") as file:
            file.write(to_text(table))
        os.replace(partial, options.into)
    except (reports.ReportError, OSError) as error:
        print(f"table_from_sweep.py: error: {error}", file=sys.stderr)
        return 2
    print(f"{len(table['entries'])} entries in {options.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
