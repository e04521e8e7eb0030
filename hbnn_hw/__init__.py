"""hbnn_hw: hardware co-design of extremely low-bit neural networks."""

__version__ = "0.1.0"
