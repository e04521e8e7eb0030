"""Data sets read once a process: unpacking and checking MNIST takes seconds, and its arrays are read-only."""

from functools import cache

from hbnn_hw.data import load

loaded = cache(load)
