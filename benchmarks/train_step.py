"""Time and memory of one training step of each method over the float network's: one thread, MLP and CNN.

A step is forward pass, cross-entropy, backward pass, Adam and, for latent weights, clipping. All networks
take turns, round after round, so that a change of the speed of the machine meets all alike; the median of
the rounds counts. HBNN bit maps are computed once an epoch, not in a step, and are timed apart. The quantized
networks have sign activations where the float one has Hardtanh.

Memory is the bytes of all tensors alive at the peak of a step, see ``peak_memory.py``: parameters,
gradients, Adam's state, batch and activations. The SLB layers have one bit.

The last line printed is a JSON object: ratios of the step times, ``"mlp": {...}, "cnn": {...}``, peaks of all
networks [byte], ``"peak_bytes": {"mlp": {...}, "cnn": {...}}``, and of these once more the MLP's,
``"slb_peak_bytes"`` and ``"float_peak_bytes"``.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from peak_memory import peak_bytes
from torch import Tensor, nn

from hbnn_hw.nn import (
    BnnSpec,
    ConvertSpec,
    FlexorSpec,
    HbnnLinear,
    HbnnSpec,
    LatentLayer,
    LayerSpec,
    Padding,
    SignSpec,
    SlbSpec,
    convert,
)

MLP_BATCH, CNN_BATCH = 256, 32
METHODS: dict[str, LayerSpec] = {
    "bnn": BnnSpec(padding=Padding.MINUS_ONE),
    "hbnn": HbnnSpec(padding=Padding.MINUS_ONE),
    "slb": SlbSpec(bits=1, padding=Padding.MINUS_ONE),
    "flexor": FlexorSpec(padding=Padding.MINUS_ONE),
}


def mlp() -> nn.Sequential:
    """Return 784-256-256-256-10 with batch normalization and Hardtanh."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((784, 256), (256, 256), (256, 256)):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.Hardtanh()]
    return nn.Sequential(*layers, nn.Linear(256, 10, bias=False), nn.BatchNorm1d(10))


def cnn() -> nn.Sequential:
    """Return a small network for 28 x 28 images: three 3 x 3 convolutions and two linear layers."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.MaxPool2d(2)]
        layers += [nn.BatchNorm2d(outputs), nn.Hardtanh()]
    layers += [nn.Flatten(), nn.Linear(64 * 9, 128, bias=False), nn.BatchNorm1d(128), nn.Hardtanh()]
    return nn.Sequential(*layers, nn.Linear(128, 10, bias=False), nn.BatchNorm1d(10))


def step_of(model: nn.Module, x: Tensor, labels: Tensor) -> Callable[[], None]:
    """Return a function that does one training step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    latent = [module for module in model.modules() if isinstance(module, LatentLayer)]

    def step() -> None:
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        for layer in latent:
            layer.clip_weights_()

    return step


def medians(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median time of each step [ms]; all take turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(rounds + 3):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_number >= 3:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def quantized(network: nn.Module, spec: LayerSpec | None) -> nn.Module:
    """Return the network with the method's weights and sign activations, or a float copy without a method."""
    if spec is None:
        return copy.deepcopy(network)
    return convert(network, ConvertSpec(weights=spec, activation=SignSpec()))


def peak_of(make: Callable[[], nn.Module], spec: LayerSpec | None, images: Tensor, labels: Tensor) -> int:
    """Return the peak of a training step [byte]; all of it is made anew, for the profiler to see."""
    return peak_bytes(lambda: step_of(quantized(make(), spec), images.clone(), labels.clone()))


def compare(
    title: str, make: Callable[[], nn.Module], images: Tensor, rounds: int
) -> tuple[dict[str, float], dict[str, int]]:
    """Print the table of one network; return ratios to the float step time, and peaks [byte]."""
    labels = torch.arange(len(images)) % 10
    network = make()
    specs: dict[str, LayerSpec | None] = {"float": None, **METHODS}
    steps = {name: step_of(quantized(network, spec), images, labels) for name, spec in specs.items()}
    times = medians(steps, rounds)
    peaks = {name: peak_of(make, spec, images, labels) for name, spec in specs.items()}
    print(f"{title}, batch {len(images)}, one thread")
    print("method    ms/step  over float   peak MB  over float")
    for name in specs:
        time_ratio, peak_ratio = times[name] / times["float"], peaks[name] / peaks["float"]
        print(
            f"{name:8} {times[name]:8.2f}  {time_ratio:10.2f}  {peaks[name] / 1e6:8.2f}  {peak_ratio:10.2f}"
        )
    print()
    return {name: round(times[name] / times["float"], 3) for name in METHODS}, peaks


def map_time() -> float:
    """Return the time of Algorithm 1 for the first layer of the MLP [ms]."""
    layer = HbnnLinear(784, 256)
    start = time.perf_counter()
    layer.refresh_bit_map()
    return 1e3 * (time.perf_counter() - start)


def main(arguments: list[str] | None = None) -> int:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40, help="steps of each network that count")
    rounds: int = parser.parse_args(arguments).rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = torch.randn(MLP_BATCH, 1, 28, 28)
    mlp_ratios, mlp_peaks = compare("MLP 784-256-256-256-10", mlp, images.flatten(1), rounds)
    cnn_ratios, cnn_peaks = compare("CNN 32-64-64 (3x3), 128, 10", cnn, images[:CNN_BATCH], rounds)
    print(f"HBNN bit map of 784 x 256 weights, once an epoch: {map_time():.0f} ms\n")
    results: dict[str, Any] = {
        "mlp": mlp_ratios,
        "cnn": cnn_ratios,
        "peak_bytes": {"mlp": mlp_peaks, "cnn": cnn_peaks},
        "slb_peak_bytes": mlp_peaks["slb"],
        "float_peak_bytes": mlp_peaks["float"],
    }
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
