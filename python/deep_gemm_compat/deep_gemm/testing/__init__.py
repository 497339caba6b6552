"""What tests of GEMMs use."""

from . import bench, numeric, utils
from .bench import *  # noqa: F403
from .numeric import *  # noqa: F403
from .utils import *  # noqa: F403
