"""The operators of the IR, one per file.

To add an operator: write ``ops/<name>.py`` with a frozen dataclass (its type rule, its exact meaning, its
work) and list it in :data:`OPS`. An operator that the hardware executes derives from
:class:`~hbnn_hw.ops.base.HardwareOp` and has two more rooms of the same name:
``templates/hls/<name>.h.j2`` and ``backends/rtl/<name>.py``; a test complains about a missing room.
"""

from hbnn_hw.ops.add import Add
from hbnn_hw.ops.affine import Affine
from hbnn_hw.ops.base import HardwareOp, HostOp, Op, Tensor, UnemittedOp, Work
from hbnn_hw.ops.concat import Concat
from hbnn_hw.ops.convolution import Convolution
from hbnn_hw.ops.dense import Dense
from hbnn_hw.ops.encode_bit_planes import EncodeBitPlanes
from hbnn_hw.ops.flatten import Flatten
from hbnn_hw.ops.max_pool import MaxPool
from hbnn_hw.ops.mvtu import Mvtu
from hbnn_hw.ops.pad import Pad
from hbnn_hw.ops.piecewise_affine import PiecewiseAffine
from hbnn_hw.ops.quantize import Quantize
from hbnn_hw.ops.rescale import Rescale
from hbnn_hw.ops.sign import Sign, SignOfZero
from hbnn_hw.ops.sum_pool import SumPool
from hbnn_hw.ops.threshold import Threshold, Thresholds
from hbnn_hw.ops.unflatten import Unflatten
from hbnn_hw.ops.width_converter import WidthConverter

OPS: dict[str, type[Op]] = {
    "add": Add,
    "affine": Affine,
    "concat": Concat,
    "convolution": Convolution,
    "dense": Dense,
    "encode_bit_planes": EncodeBitPlanes,
    "flatten": Flatten,
    "max_pool": MaxPool,
    "mvtu": Mvtu,
    "pad": Pad,
    "piecewise_affine": PiecewiseAffine,
    "quantize": Quantize,
    "rescale": Rescale,
    "sign": Sign,
    "sum_pool": SumPool,
    "threshold": Threshold,
    "unflatten": Unflatten,
    "width_converter": WidthConverter,
}
"""Every operator by the name of its file, which is also its name in the file format."""

__all__ = [
    "OPS",
    "Add",
    "Affine",
    "Concat",
    "Convolution",
    "Dense",
    "EncodeBitPlanes",
    "Flatten",
    "HardwareOp",
    "HostOp",
    "MaxPool",
    "Mvtu",
    "Op",
    "Pad",
    "PiecewiseAffine",
    "Quantize",
    "Rescale",
    "Sign",
    "SignOfZero",
    "SumPool",
    "Tensor",
    "Threshold",
    "Thresholds",
    "UnemittedOp",
    "Unflatten",
    "WidthConverter",
    "Work",
]
