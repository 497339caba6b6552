"""dgemm under DeepGEMM's name, for code that imports deep_gemm and cannot be changed.
Every public name of DeepGEMM 1.0, 2.1 and 2.6.1 is here. Names that dgemm does not support raise NotImplementedError with
the alternative. docs/coming-from-deepgemm.md has the table.
"""

from dgemm import get_num_sms, get_pdl, get_tc_util, set_num_sms, set_pdl, set_tc_util

from . import _names, jit_kernels, testing, utils
from ._baselines import *  # noqa: F403
from ._operations import *  # noqa: F403
from ._settings import get_compile_mode, set_block_size_multiple_of, set_compile_mode, set_ignore_compile_dims
from .testing import bench, bench_kineto, calc_diff
from .utils import *  # noqa: F403

__version__ = "2.6.1"
"""The version of DeepGEMM with this interface; dgemm.__version__ is that of the compiler."""

globals().update({name: _names.unavailable(name, reason) for name, reason in _names.UNAVAILABLE.items()})
