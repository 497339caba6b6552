"""Sizes, layouts and casts."""

from .._names import UNAVAILABLE_UTILS, unavailable
from ..testing import bench, bench_kineto, calc_diff  # where 1.0 has them
from . import layout, math
from .layout import *  # noqa: F403
from .math import *  # noqa: F403

globals().update({name: unavailable(f"utils.{name}", reason) for name, reason in UNAVAILABLE_UTILS.items()})
