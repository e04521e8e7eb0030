"""The benchmark's peak is the bytes of the tensors that are alive together, counted by hand."""

import importlib
from pathlib import Path

import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_peak_is_what_is_alive_together_in_the_second_step(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    peak_bytes = importlib.import_module("peak_memory").peak_bytes

    def prepare():
        kept, steps = torch.zeros(1000), []

        def step():
            steps.append(None)
            # The first step is larger and does not count; what goes before the rest comes, does not add.
            first = torch.zeros(5000 if len(steps) == 1 else 600)
            second = torch.zeros(300)
            del first
            return kept.numel() + second.numel() + torch.zeros(100).numel()

        return step

    assert peak_bytes(prepare) == 4 * (1000 + 600 + 300)
