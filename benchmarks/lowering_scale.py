"""AlexNet-BN with 61 million weights from its checkpoint to the IR on disk: time, memory, size of the file.

The network is the HBNN paper's, 1.4 bits a weight in all layers and sign activations, with random weights and
statistics. It is made and saved first, which is not measured: its bit maps take a minute or two. A fresh
process then reads the checkpoint, captures and lowers the network and writes the IR file.

The last line printed is a JSON object:

``seconds``
    Wall time of that process, from its start to its end, the imports included.
``peak_gib``
    Its largest resident memory, as the system counts it [GiB].
``size_ratio``
    Bytes of the IR file over the bytes of its packed bits, which are all signs of all planes, one bit for
    each entry that has the plane, and all maps, one bit for each entry that has the plane before it (each
    entry of the matrix for the first plane) unless they all have the next plane, too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def make(width: float, path: Path) -> None:
    """Save the network with random weights, statistics and scales."""
    import torch
    from torch import nn

    from hbnn_hw.nn import Method, Padding, convert, save
    from models.networks import Plan, Scope, alexnet_bn, paper_spec

    torch.manual_seed(0)
    network = alexnet_bn(width=width)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            nn.init.normal_(norm.running_mean, std=20.0)
            nn.init.uniform_(norm.running_var, 100.0, 1000.0)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    codes = torch.randint(0, 256, (1, 3 * 224 * 224), dtype=torch.uint8)
    plan = Plan(method=Method.HBNN, padding=Padding.MINUS_ONE, scope=Scope.ALL)
    save(convert(network, paper_spec(network, codes.float(), plan)), codes, path)


def lower_file(model: Path, output: Path) -> None:
    """Go from the checkpoint to the IR file; print what each stage took and, last, the peak [GiB]."""
    start = time.perf_counter()

    def say(stage: str) -> None:
        print(f"  {time.perf_counter() - start:6.1f} s  {peak_gib():5.2f} GiB  {stage}", flush=True)

    from hbnn_hw import ir_file
    from hbnn_hw.capture import capture_file
    from hbnn_hw.passes import lower

    say("imported")
    graph = capture_file(model).graph
    say("read, deployed and captured")
    graph = lower(graph)
    say("lowered")
    ir_file.save(graph, output)
    say("written")
    print(peak_gib())


def peak_gib() -> float:
    """Return the largest resident memory of this process so far [GiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def packed_bytes(path: Path) -> tuple[int, float]:
    """Return the number of weights in an IR file, and the bytes of their packed bits and nested maps."""
    from hbnn_hw import ir_file
    from hbnn_hw.weights import WeightPlanes

    weights, bits = 0, 0
    for node in ir_file.load(path).nodes:
        planes = getattr(node.op, "weights", None)
        if isinstance(planes, WeightPlanes):
            before = planes.rows * planes.columns
            weights += before
            for population in planes.plane_populations().sum(axis=1).tolist():
                bits += population + (before if population < before else 0)
                before = population
    return weights, bits / 8


def child(*arguments: str | Path) -> str:
    """Run this script in a fresh process, show its progress, and return the last line that it prints."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(Path(__file__).resolve()), *map(str, arguments)]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(" "):
                print(line, end="", flush=True)
            last = line
    if process.returncode:
        raise SystemExit(process.returncode)
    return last


def measure(model: Path, output: Path) -> dict[str, float]:
    """Lower a checkpoint in a fresh process; print the size of what came out."""
    print("checkpoint to IR:", flush=True)
    start = time.perf_counter()
    peak = float(child("--lower", model, output))
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    n_weights, packed = packed_bytes(output)
    size = output.stat().st_size
    print(f"read again and checked in {time.perf_counter() - start:.1f} s")
    print(
        f"{n_weights} weights: {model.stat().st_size} bytes of checkpoint, {size} bytes of IR, "
        f"{packed:.0f} bytes of packed bits"
    )
    return {
        "seconds": round(seconds, 1),
        "peak_gib": round(peak, 2),
        "size_ratio": round(size / packed, 4),
    }


def main(arguments: list[str] | None = None) -> int:
    """Make the network unless it is there, lower it, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=float, default=1.0, help="factor on channels and features")
    parser.add_argument("--model", type=Path, help="keep the checkpoint here, and use it if it is there")
    parser.add_argument("--make", type=Path, metavar="MODEL.PT", help="only make the checkpoint")
    parser.add_argument("--lower", type=Path, nargs=2, metavar=("MODEL.PT", "IR"), help="only lower it")
    options = parser.parse_args(arguments)
    if options.make:
        make(options.width, options.make)
        return 0
    if options.lower:
        lower_file(*options.lower)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or Path(folder) / "alexnet_bn.pt"
        if not model.exists():
            print(f"making AlexNet-BN of width {options.width:g}, not measured", flush=True)
            # In a process of its own, because a child inherits its parent's peak of memory.
            child("--width", str(options.width), "--make", model)
        figures = measure(model, Path(folder) / "alexnet_bn.hbnn")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
