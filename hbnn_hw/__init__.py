"""hbnn_hw: hardware co-design of extremely low-bit neural networks.

``hbnn_hw.save(model, example_input, path)`` writes the model file that ``hbnn-hw export`` reads;
``hbnn_hw.load(path)`` reads it back. Both need PyTorch, which is imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hbnn_hw.nn.checkpoint import load, save

__version__ = "0.1.0"

__all__ = ["__version__", "load", "save"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the attributes are functions of different types
    """Import ``save`` and ``load`` on first use: PyTorch alone takes seconds to import."""
    if name in ("load", "save"):
        from hbnn_hw.extras import require

        require("torch", "train", "reading and writing model files")
        from hbnn_hw.nn import checkpoint

        return getattr(checkpoint, name)
    raise AttributeError(f"module 'hbnn_hw' has no attribute {name!r}")
