"""Golden inference against PyTorch float32 of the same network, in images per CPU-second of one thread.

The networks are FINN's LFC (784-1024-1024-1024-10, pixels of 8 bits) and CNV with binary weights, sign
activations and the statistics of random images. The golden model runs the lowered graph, from integer pixel
codes to scores, in numpy alone and with the optional numba kernels. Before anything is timed, its scores must
equal those of the deployed PyTorch network, bit for bit.

PyTorch runs the float network with the same binary weights: ``Linear`` or ``Conv2d``, ``BatchNorm`` and
Hardtanh, which is cheaper there than a sign, on pixels that are float32 already. Several forms and batch
sizes are tried and the fastest counts: as defined; and with each batch normalization that directly follows a
layer folded into it, activations in place and images with channels last. ``torch.compile`` and
``torch.jit.optimize_for_inference`` were no faster than these on the machine where this was written.

All take turns, round after round, so that a change of the speed of the machine meets all alike; the median of
the rounds counts. CPU time is that of the whole process, and all libraries have one thread.

The last line printed is a JSON object: ``lfc_ratio``, ``cnv_ratio`` (numpy over PyTorch),
``lfc_numba_ratio``, ``cnv_numba_ratio`` (null without numba), and the rates of all sides, ``lfc_torch`` and
so on [images / CPU-second].
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from hbnn_hw.backends.golden import DotKernel, GoldenModel
from hbnn_hw.backends.golden.kernels import numba_is_installed
from hbnn_hw.capture import capture
from hbnn_hw.nn import BnnSpec, ConvertSpec, Padding, SignSpec, convert, deploy
from hbnn_hw.passes import lower
from models.networks import cnv, lfc

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
BINARY = ConvertSpec(weights=BnnSpec(padding=Padding.MINUS_ONE), activation=SignSpec())
CHECKED = 64
"""Images whose scores are compared with the deployed network's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One network, and what is tried with it.

    Attributes
    ----------
    name
        Of the network.
    make
        Builds it, float.
    n_features
        Pixels of an image.
    n_images
        Images of a round.
    batches
        Batch sizes tried with PyTorch.
    """

    name: str
    make: Callable[[], nn.Sequential]
    n_features: int
    n_images: int
    batches: tuple[int, ...]


CONTESTS = (
    Contest(name="lfc", make=lfc, n_features=784, n_images=4096, batches=(256, 512, 1024, 2048, 4096)),
    Contest(name="cnv", make=cnv, n_features=3072, n_images=192, batches=(4, 8, 16, 32, 64)),
)

Side = Callable[[], object]
"""Computes the scores of all images of a round."""


@torch.no_grad()
def binary_network(make: Callable[[], nn.Sequential], images: torch.Tensor) -> nn.Sequential:
    """Return a network with random binary weights, slopes of both signs and the images' statistics."""
    network = convert(make(), BINARY)
    assert isinstance(network, nn.Sequential)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias, std=0.1)
            module.momentum = 1.0
    network.train()(images)
    return network.eval()


@torch.no_grad()
def float_network(make: Callable[[], nn.Sequential], binary: nn.Sequential) -> nn.Sequential:
    """Return the float network with the binary one's weights, slopes and statistics."""
    network = make().eval()
    found = binary.state_dict()
    for path, module in network.named_children():
        if isinstance(module, nn.Linear | nn.Conv2d):
            signs = torch.where(found[f"{path}.weight"] >= 0, 1.0, -1.0)
            module.weight.copy_(signs)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.load_state_dict({key: found[f"{path}.{key}"] for key in module.state_dict()})
    return network


def folded(network: nn.Sequential) -> nn.Sequential:
    """Fold normalizations into the layers in front of them, with activations in place and channels last."""
    modules: list[nn.Module] = []
    for module in copy.deepcopy(network):
        before = modules[-1] if modules else None
        if isinstance(module, nn.BatchNorm1d) and isinstance(before, nn.Linear):
            modules[-1] = fuse_linear_bn_eval(before, module)
        elif isinstance(module, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            modules[-1] = fuse_conv_bn_eval(before, module)
        else:
            modules.append(nn.Hardtanh(inplace=True) if isinstance(module, nn.Hardtanh) else module)
    result = nn.Sequential(*modules).eval()
    return result.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def in_batches(network: nn.Module, images: torch.Tensor, batch: int) -> Side:
    """Return PyTorch's side."""

    def run() -> None:
        with torch.inference_mode():
            for part in torch.split(images, batch):
                network(part)

    return run


def seconds(side: Side) -> float:
    """Return the CPU time of one run [s]."""
    start = time.process_time()
    side()
    return time.process_time() - start


def fastest_torch(network: nn.Sequential, images: torch.Tensor, batches: tuple[int, ...]) -> tuple[str, Side]:
    """Return the fastest of all forms and batch sizes, with its description."""
    forms = {"as defined": network, "folded": folded(network)}
    sides = {
        f"PyTorch, {form}, batch {batch}": in_batches(forms[form], images, batch)
        for form, batch in product(forms, batches)
    }
    times = medians(sides, rounds=3)
    best = min(times, key=times.__getitem__)
    return best, sides[best]


def medians(sides: dict[str, Side], rounds: int) -> dict[str, float]:
    """Return the median CPU time of each side [s]; all take turns, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            spent = seconds(side)
            if number:
                times[name].append(spent)
    return {name: statistics.median(values) for name, values in times.items()}


def golden_models(
    contest: Contest, binary: nn.Sequential, codes: NDArray[np.int64]
) -> dict[str, GoldenModel]:
    """Return the golden models, which have shown that they equal the deployed network."""
    deployed = deploy(binary)
    graph = lower(capture(deployed, contest.name))
    models = {"numpy": GoldenModel(graph, DotKernel.FLOAT32)}
    if numba_is_installed():
        models["numba"] = GoldenModel(graph, DotKernel.NUMBA)
    with torch.no_grad():
        expected = deployed(torch.from_numpy(codes[:CHECKED].astype(np.float32))).numpy()
    for name, model in models.items():
        if not np.array_equal(model.value(codes[:CHECKED]), expected):
            raise SystemExit(f"{contest.name}: golden with {name} and deployed PyTorch differ")
    return models


def run(contest: Contest, rounds: int) -> dict[str, float | None]:
    """Print the table of one network; return its ratios and rates."""
    codes = np.random.default_rng(0).integers(0, 256, (contest.n_images, contest.n_features))
    codes[0], codes[1] = 0, 255
    images = torch.from_numpy(codes.astype(np.float32))
    binary = binary_network(contest.make, images[:CHECKED])
    models = golden_models(contest, binary, codes)
    title, torch_side = fastest_torch(float_network(contest.make, binary), images, contest.batches)
    sides: dict[str, Side] = {"torch": torch_side}
    sides |= {name: partial(model.value, codes) for name, model in models.items()}
    rates = {name: contest.n_images / spent for name, spent in medians(sides, rounds).items()}
    titles = {"torch": title} | {
        name: f"golden, {name}, {model.images_in_cache} at a time" for name, model in models.items()
    }
    print(f"{contest.name}, {contest.n_images} images a round, {rounds} rounds")
    print(f"{'':40}  images / CPU-s  over PyTorch")
    for name, rate in rates.items():
        print(f"{titles[name]:40}  {rate:14,.0f}  {rate / rates['torch']:12.2f}")
    print()
    ratios = {name: round(rate / rates["torch"], 3) for name, rate in rates.items()}
    return {
        f"{contest.name}_ratio": ratios["numpy"],
        f"{contest.name}_numba_ratio": ratios.get("numba"),
        **{f"{contest.name}_{name}": round(rate, 1) for name, rate in rates.items()},
    }


def main(arguments: list[str] | None = None) -> int:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    rounds: int = parser.parse_args(arguments).rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    results: dict[str, Any] = {}
    for contest in CONTESTS:
        results |= run(contest, rounds)
    print(json.dumps(results))
    return 0


def with_one_thread() -> None:
    """Start this program again if a library could take more threads: they look only when they are loaded."""
    if any(os.environ.get(name) != "1" for name in THREADS):
        os.execve(sys.executable, sys.orig_argv, os.environ | dict.fromkeys(THREADS, "1"))


if __name__ == "__main__":
    with_one_thread()
    raise SystemExit(main())
