"""C simulation of whole binary networks: images per CPU-second, and the CPU time to compile them.

The networks are FINN's CNV (32 x 32 images of three 8-bit channels, outputs padded to 64) and LFC
(832-1024-1024-1024-64, binary inputs) with random weights, at the foldings of BNN-PYNQ. Their generated HLS
projects are compiled as ``hbnn-hw csim`` compiles them, sources and test bench together, and run with its
checks: every output beat is held against the golden model, every layer's loop iterations are counted. Run
time is that of the whole program, reading the vectors included.

As a base line the same projects are compiled with the branches that synthesis sees, which count bits by trees
of adders on ap_uint. finn-hlslib's C simulation of BNN-PYNQ's projects of the same networks at the same
foldings, measured with g++ 12.2 -O1 on another day, made 2.3 images of CNV and 27 of LFC per CPU-second, and
took 7.7 s and 5.6 s to compile.

The median of several rounds counts. The last line printed is a JSON object: ``cnv_images_per_cpu_s``,
``compile_cpu_s`` (CNV), ``lfc_images_per_cpu_s``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from finn_networks import CNV_FOLDING, LFC_FOLDING, cnv, lfc, published

from hbnn_hw.artifacts import npy_bytes, write_folder
from hbnn_hw.backends import hls
from hbnn_hw.export import golden_vectors
from hbnn_hw.graph import Graph
from hbnn_hw.passes import schedule
from hbnn_hw.target import Target
from hbnn_hw.types import Integers
from hbnn_hw.verify.csim import CsimTools, build_csim, run_bench, run_csim
from hbnn_hw.verify.vectors import vector_files

SYNTHESIS_BRANCHES = "-DHBNN_SYNTHESIS_BRANCHES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One network.

    Attributes
    ----------
    make
        Builds its graph on streams.
    folding
        (SIMD, PE) of its layers.
    n_images, n_base_images
        Images of a run, and of a run of the slow base line.
    finn_hlslib
        What finn-hlslib's C simulation of it makes [images / CPU-second].
    """

    make: Callable[[], Graph]
    folding: Sequence[tuple[int, int]]
    n_images: int
    n_base_images: int
    finn_hlslib: float


CONTESTS = {
    "cnv": Contest(make=cnv, folding=CNV_FOLDING, n_images=40, n_base_images=2, finn_hlslib=2.3),
    "lfc": Contest(make=lfc, folding=LFC_FOLDING, n_images=1000, n_base_images=20, finn_hlslib=27),
}


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured of one network.

    Attributes
    ----------
    compile_s
        CPU time of the compiler [s].
    images_per_s
        Images per CPU-second.
    base_images_per_s
        The same with the branches that synthesis sees.
    """

    compile_s: float
    images_per_s: float
    base_images_per_s: float


def cpu_seconds() -> float:
    """CPU time of the processes that this one has waited for [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_export(folder: Path, contest: Contest) -> None:
    """Write what the C simulation needs of an export, with golden vectors of random images."""
    graph = contest.make()
    graph = schedule(graph, published(graph, contest.folding))
    element = graph.input_type.element
    assert isinstance(element, Integers)
    shape = (contest.n_images, graph.input_type.n_elements)
    images = np.random.default_rng(0).integers(element.low, element.high, shape, endpoint=True)
    vectors = golden_vectors(graph, images)
    files = {f"hls/{name}": text.encode() for name, text in hls.emit(graph, vectors, Target()).items()}
    write_folder(folder, files | {name: npy_bytes(array) for name, array in vector_files(vectors).items()})


def compiled(project: Path, build: Path, tools: CsimTools) -> tuple[Path, float]:
    """Compile a project; return the test bench and the CPU time it took [s]."""
    before = cpu_seconds()
    build.mkdir()
    bench = build_csim(project, build, tools)
    return bench, cpu_seconds() - before


def images_per_second(bench: Path, project: Path, n_images: int) -> float:
    """Run a test bench and return its images per CPU-second."""
    before = cpu_seconds()
    outcome = run_bench(bench, project, bench.parent, n_images, CsimTools().timeout_s)
    if outcome.returncode:
        raise SystemExit(f"the C simulation failed: {outcome.stdout}{outcome.stderr}")
    return n_images / (cpu_seconds() - before)


def measure(folder: Path, contest: Contest, rounds: int) -> Rates:
    """Check a network's C simulation, then measure it and its base line."""
    write_export(folder / "export", contest)
    run_csim(folder / "export")
    project = folder / "export" / "hls"
    tools, base_tools = CsimTools(), CsimTools(extra_flags=(SYNTHESIS_BRANCHES,))
    builds = [compiled(project, folder / f"build{number}", tools) for number in range(rounds)]
    base, _ = compiled(project, folder / "base", base_tools)
    rates = [images_per_second(builds[0][0], project, contest.n_images) for _ in range(rounds)]
    return Rates(
        compile_s=statistics.median(seconds for _, seconds in builds),
        images_per_s=statistics.median(rates),
        base_images_per_s=images_per_second(base, project, contest.n_base_images),
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure both networks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="compilations, and runs, of each network")
    rounds: int = parser.parse_args(arguments).rounds
    results: dict[str, Rates] = {}
    print(f"{'':8}{'compile':>10}{'images':>12}{'finn-':>12}{'synthesis':>12}{'over':>8}")
    print(f"{'network':8}{'[CPU-s]':>10}{'/ CPU-s':>12}{'hlslib':>12}{'branches':>12}{'them':>8}")
    for name, contest in CONTESTS.items():
        with tempfile.TemporaryDirectory(prefix="hbnn_csim_speed_") as folder:
            rates = results[name] = measure(Path(folder), contest, rounds)
        ratio = rates.images_per_s / rates.base_images_per_s
        print(
            f"{name:8}{rates.compile_s:10.1f}{rates.images_per_s:12.1f}{contest.finn_hlslib:12.1f}"
            f"{rates.base_images_per_s:12.3f}{ratio:8.0f}"
        )
    document = {
        "cnv_images_per_cpu_s": round(results["cnv"].images_per_s, 1),
        "compile_cpu_s": round(results["cnv"].compile_s, 1),
        "lfc_images_per_cpu_s": round(results["lfc"].images_per_s, 1),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
