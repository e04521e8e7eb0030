"""What is delivered: complete, deterministic, readable, small; laid out as the accelerator's streams are."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.backends.hls import emit
from hbnn_hw.backends.hls.driver import MOST_VECTOR_BYTES, driver_files
from hbnn_hw.streams import LANE_WIDTHS, StreamEdge
from tests.drivers.delivered import network
from tests.drivers.projects import NETWORKS, vectors_of
from tests.hls.networks import TARGET, mlp

PYTHON = "driver/python/hbnn_driver"


def files_of(graph, batch=8):
    return driver_files(graph, vectors_of(graph, batch), TARGET, "net")


def test_drivers_are_complete_and_the_same_every_time():
    files = files_of(NETWORKS["bytes"]())
    assert files == files_of(NETWORKS["bytes"]())
    modules = {"__init__", "__main__", "accelerator", "control", "dma", "errors", "network", "platform"}
    package = {f"{PYTHON}/{name}.py" for name in modules | {"linux_platform", "pynq_platform"}}
    constants = {f"{PYTHON}/{name}" for name in ("network.json", "vectors/input.dat", "vectors/output.dat")}
    names = (
        "accelerator",
        "describe",
        "main",
        "network",
        "platform_baremetal",
        "platform_linux",
        "self_test",
    )
    c = {f"driver/c/{name}.c" for name in names}
    c |= {f"driver/c/{name}" for name in ("Makefile", "accelerator.h", "network.h")}
    assert set(files) == package | constants | c | {"driver/README.md"}


def test_project_has_the_drivers_of_its_top_function():
    graph = NETWORKS["bytes"]()
    files = {name: text for name, text in emit(graph, vectors_of(graph), TARGET).items() if "driver/" in name}
    assert files == driver_files(graph, vectors_of(graph), TARGET, graph.name)


def test_text_is_readable():
    for make in NETWORKS.values():
        for name, text in files_of(make()).items():
            assert text.endswith("\n"), name
            assert re.search(r"[ \t]$|/home/|/tmp/|Undefined|\{\{|\{%", text, re.MULTILINE) is None, name
            if name.endswith((".h", ".c", ".py")):
                assert max(map(len, text.splitlines())) < 120, name


def test_large_images_travel_in_small_number():
    graph = mlp(70, [150_000, 2], (1, 8), n_bits=8)
    files = files_of(graph)
    images = MOST_VECTOR_BYTES // 150_008  # outputs: two lanes of 32 bits
    assert f"#define HBNN_GOLDEN_IMAGES {images}u\n" in files["driver/c/network.h"]
    assert len(files[f"{PYTHON}/vectors/output.dat"].splitlines()) == 2 * images
    assert max(map(len, files.values())) < 6_000_000


@given(
    lanes=st.integers(1, 9),
    beats=st.integers(1, 5),
    lane_bits=st.sampled_from(LANE_WIDTHS),
    signed=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_images_lie_in_memory_as_beats_follow_one_another(lanes, beats, lane_bits, signed, seed):
    edge = StreamEdge(lanes * beats, lanes, lane_bits, lane_bits, signed)
    limits = np.iinfo(edge.dtype)
    images = np.random.default_rng(seed).integers(limits.min, limits.max, (3, edge.elements), endpoint=True)
    driver = network.Edge(edge.elements, lanes, lane_bits, lane_bits, signed)
    octets = driver.pack(images)
    expected = b"".join(beat.to_bytes(edge.data_bytes, "little") for beat in edge.to_beats(images))
    assert octets.tobytes() == expected
    assert len(expected) == 3 * driver.image_bytes
    assert np.array_equal(driver.unpack(octets), images)
