"""The golden model: exact integer inference, fast.

The operators' own ``compute`` is the meaning of the IR; this package gives the same numbers quickly. A
:class:`~hbnn_hw.backends.golden.plan.Plan` has one step for each node of a graph; the operators that matter
have a fast form (``steps.py``), all others run as they are defined. Dot products are matrix products of
floats that hold integers exactly (``products.py``), or XNOR and popcount on packed words, compiled by numba
where that is installed (``packed.py``, ``compiled.py``).
"""

from hbnn_hw.backends.golden.kernels import DotKernel, choose_kernel, dot_float32, dot_packed
from hbnn_hw.backends.golden.model import GoldenModel

__all__ = ["DotKernel", "GoldenModel", "choose_kernel", "dot_float32", "dot_packed"]
