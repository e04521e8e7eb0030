"""HLS back end: a scheduled graph becomes a Vivado HLS or Vitis HLS project."""

from hbnn_hw.backends.hls.dialect import HlsTool
from hbnn_hw.backends.hls.project import emit

__all__ = ["HlsTool", "emit"]
