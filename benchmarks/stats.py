"""Quantiles, ratios and geometric means of measured times. Needs no GPU."""
import math


def quantile(values, q):
    """Linear between the nearest two of the sorted values; 0.5 for the median."""
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def summarize(microseconds):
    """The statistics of one kernel's samples."""
    return {
        "median": quantile(microseconds, 0.5),
        "p10": quantile(microseconds, 0.1),
        "p90": quantile(microseconds, 0.9),
        "min": min(microseconds),
        "samples": len(microseconds),
    }


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values))
