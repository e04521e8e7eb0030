"""Every error that a user of the toolkit can cause, one class per kind.

The texts follow one grammar: what must be what, not what was found, and what to do about it.
"""


class HbnnError(ValueError):
    """Base of all errors raised for bad input; the command line prints them without a traceback."""


class CheckpointError(HbnnError):
    """A model file is not a checkpoint of this project, is damaged, or is not safe to load."""


class TrainStateError(HbnnError):
    """A file with the state of a training run is missing, damaged, or of another run; names what differs."""


class CaptureError(HbnnError):
    """A PyTorch module cannot be lowered; names the module path, its type and the remedy."""


class ConversionError(HbnnError):
    """A float network cannot be quantized as asked; lists every layer that cannot, with the reason."""


class GraphError(HbnnError):
    """An IR graph is malformed; names the node."""


class ShapeError(GraphError):
    """A tensor's shape is not what the node needs; names the node, the expected and the found shape."""


class RangeError(GraphError):
    """A value lies outside the range that its type declares, or would overflow its accumulator."""


class FoldingError(HbnnError):
    """A PE/SIMD choice is not legal for its layer; names the layer and the legal values."""


class OutputError(HbnnError):
    """An output folder or file exists already or cannot be written."""


class ToolMissingError(HbnnError):
    """An external program or optional package is missing; tells what to type."""


class ToolFailedError(HbnnError):
    """An external program ran and failed; carries the end of its output."""


class DatasetMissingError(HbnnError):
    """A data set is not on this machine; the text is the command that fetches it."""


class MismatchError(HbnnError):
    """Two levels of the same network disagree; names the first differing element and both values."""


class KernelTextError(HbnnError):
    """The printed Verilog of an unrolled layer's kernel is malformed; names module, line and net."""


class TemplateError(HbnnError):
    """A template is missing or does not fit the values it was given."""


class VendorReportError(HbnnError):
    """A vendor tool's report is damaged or of an unknown shape; names the file and what is missing in it."""
