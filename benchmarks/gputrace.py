"""Splits the profiler's device events into calls. Needs no GPU."""

# Events other than kernels, memsets and copies.
_NOT_WORK = ("Context Sync", "Stream Sync", "Event Sync", "Stream Wait Event", "Activity Buffer Request", "Instrumentation",
             "Resource", "Runtime Triggered Module Loading", "Lazy Function Loading")  # fmt: skip
# PyTorch's fill_, which no contender calls.
_FLUSH_NAME = "FillFunctor"


def split_at_flushes(events):
    """Splits [(start, duration, name)] into a list of [(duration, name)] for each call. A flush may be several kernels."""
    calls, in_flush = [], False
    for _, duration, name in sorted(events):
        if _FLUSH_NAME in name:
            if not in_flush:
                calls.append([])
            in_flush = True
        elif calls and not name.startswith(_NOT_WORK):
            calls[-1].append((duration, name))
            in_flush = False
    return calls
