"""The operators of the IR, one per file.

To add an operator: write ``ops/<name>.py`` with a frozen dataclass (its type rule, its exact meaning, its
work) and list it in :data:`OPS`. An operator that the hardware executes derives from
:class:`~hbnn_hw.ops.base.HardwareOp` and has two more rooms of the same name:
``templates/hls/<name>.h.j2`` and ``backends/rtl/<name>.py``; a test complains about a missing room.
"""

from hbnn_hw.ops.add import Add
from hbnn_hw.ops.affine import Affine
from hbnn_hw.ops.arg_max import ArgMax
from hbnn_hw.ops.base import HardwareOp, HostOp, Op, StreamOp, Tensor, UnemittedOp, WiringOp, Work
from hbnn_hw.ops.concat import Concat
from hbnn_hw.ops.convolution import Convolution
from hbnn_hw.ops.decode import Decode
from hbnn_hw.ops.dense import Dense
from hbnn_hw.ops.encode_bit_planes import EncodeBitPlanes
from hbnn_hw.ops.flatten import Flatten
from hbnn_hw.ops.fork import Fork
from hbnn_hw.ops.max_pool import MaxPool
from hbnn_hw.ops.mvtu import Mvtu
from hbnn_hw.ops.pad import Pad
from hbnn_hw.ops.pad_planes import PadPlanes
from hbnn_hw.ops.piecewise_affine import PiecewiseAffine
from hbnn_hw.ops.pool import Pool, PoolKind
from hbnn_hw.ops.quantize import Quantize
from hbnn_hw.ops.rescale import Rescale
from hbnn_hw.ops.sign import Sign, SignOfZero
from hbnn_hw.ops.sliding_window import SlidingWindow
from hbnn_hw.ops.sum_pool import SumPool
from hbnn_hw.ops.threshold import Threshold, Thresholds
from hbnn_hw.ops.unflatten import Unflatten
from hbnn_hw.ops.width_converter import WidthConverter
from hbnn_hw.ops.window_pool import WindowPool

OPS: dict[str, type[Op]] = {
    "add": Add,
    "affine": Affine,
    "arg_max": ArgMax,
    "concat": Concat,
    "convolution": Convolution,
    "decode": Decode,
    "dense": Dense,
    "encode_bit_planes": EncodeBitPlanes,
    "flatten": Flatten,
    "fork": Fork,
    "max_pool": MaxPool,
    "mvtu": Mvtu,
    "pad": Pad,
    "pad_planes": PadPlanes,
    "piecewise_affine": PiecewiseAffine,
    "pool": Pool,
    "quantize": Quantize,
    "rescale": Rescale,
    "sign": Sign,
    "sliding_window": SlidingWindow,
    "sum_pool": SumPool,
    "threshold": Threshold,
    "unflatten": Unflatten,
    "width_converter": WidthConverter,
    "window_pool": WindowPool,
}
"""Every operator by the name of its file, which is also its name in the file format."""

__all__ = [
    "OPS",
    "Add",
    "Affine",
    "ArgMax",
    "Concat",
    "Convolution",
    "Decode",
    "Dense",
    "EncodeBitPlanes",
    "Flatten",
    "Fork",
    "HardwareOp",
    "HostOp",
    "MaxPool",
    "Mvtu",
    "Op",
    "Pad",
    "PadPlanes",
    "PiecewiseAffine",
    "Pool",
    "PoolKind",
    "Quantize",
    "Rescale",
    "Sign",
    "SignOfZero",
    "SlidingWindow",
    "StreamOp",
    "SumPool",
    "Tensor",
    "Threshold",
    "Thresholds",
    "UnemittedOp",
    "Unflatten",
    "WidthConverter",
    "WindowPool",
    "WiringOp",
    "Work",
]
