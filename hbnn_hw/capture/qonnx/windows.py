"""Windows as ONNX describes them: sizes and padding."""

from __future__ import annotations

from hbnn_hw.capture.qonnx.lowering import Layer
from hbnn_hw.capture.qonnx.values import Value
from hbnn_hw.errors import CaptureError, ShapeError


def pair_of(sizes: tuple[int, ...]) -> tuple[int, int]:
    """Return (rows, columns); a sequence is an image of one row."""
    if len(sizes) not in (1, 2):
        raise ShapeError(f"a window must have 1 or 2 axes, not {sizes}")
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def padding_of(
    layer: Layer, value: Value, spans: tuple[int, int], stride: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right) of a window's ``pads`` or ``auto_pad``."""
    n_axes = len(value.axes) - 1
    mode = layer.node.text("auto_pad", "NOTSET")
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        missing = [
            max(0, (-(-size // step) - 1) * step + reach - size)
            for size, reach, step in zip(value.shape[:2], spans, stride, strict=True)
        ]
        before = [m // 2 if mode == "SAME_UPPER" else m - m // 2 for m in missing]
        return before[0], missing[0] - before[0], before[1], missing[1] - before[1]
    pads = layer.node.integers("pads", (0,) * (2 * n_axes))
    if mode != "NOTSET" or len(pads) != 2 * n_axes:
        raise CaptureError(f"{layer.title} must have {2 * n_axes} pads, not {pads} and auto_pad {mode!r}")
    if n_axes == 1:
        return 0, 0, pads[0], pads[1]
    return pads[0], pads[2], pads[1], pads[3]
