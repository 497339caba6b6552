"""`dgemm-run --trace` writes what Perfetto opens: checked by its rules for JSON, and by its trace processor where that is there."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_docs import find_build


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    build = find_build()
    if build is None:
        pytest.skip("no build tree")
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    subprocess.run([build / "bin/dgemm-run", "--device=emulator", "--m=128", "--n=128", "--k=512", f"--trace={path}"], check=True,
                   stdout=subprocess.DEVNULL)
    return path


def test_events_are_well_formed(trace):
    events = json.loads(trace.read_text())["traceEvents"]
    tracks = defaultdict(list)
    for event in events:
        assert event["ph"] in ("M", "X") and isinstance(event["pid"], int) and isinstance(event["tid"], int) and event["name"]
        if event["ph"] == "X":
            assert event["ts"] >= 0 and event["dur"] >= 0
            tracks[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert tracks and set(tracks) <= named
    # Perfetto drops a slice that overlaps another one of its track and does not lie within it.
    for track, slices in tracks.items():
        open_until = []
        for start, end in sorted(slices, key=lambda each: (each[0], -each[1])):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or end <= open_until[-1], f"{start} to {end} of track {track} ends behind {open_until[-1]}"
            open_until.append(end)


def test_perfetto_loads_it(trace):
    if importlib.util.find_spec("perfetto") is None:
        pytest.skip("perfetto is not installed")
    from perfetto.trace_processor import TraceProcessor

    try:
        processor = TraceProcessor(trace=str(trace))  # downloads its program at the first use
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"its trace processor cannot be downloaded: {error}")
    with processor:
        expected = sum(event["ph"] == "X" for event in json.loads(trace.read_text())["traceEvents"])
        assert next(iter(processor.query("select count(*) as count from slice"))).count == expected
        assert not list(processor.query("select name from stats where severity = 'error' and value > 0"))
