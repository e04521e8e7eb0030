"""The delivered C driver against the register model in C: golden outputs, a reason for every fault."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw.streams import output_edge
from hbnn_hw.types import Planes
from tests.drivers.model import Fault
from tests.drivers.projects import NETWORKS, classes_of, deliver, from_stream, vectors_of

HERE = Path(__file__).parent / "c"
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
DRIVER = ("accelerator.c", "describe.c", "network.c", "self_test.c")
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


def run(command, folder):
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done


def build(folder, compiler="gcc", flags=SANITIZERS):
    """Compile driver, model and harness together; any complaint of the compiler is a failure."""
    if not COMPILERS:
        pytest.skip("the C driver's tests need a C compiler: apt-get install gcc")
    sources = [*DRIVER, HERE / "model.c", HERE / "harness.c"]
    done = run([compiler, *STRICT, *flags, "-I.", f"-I{HERE}", *sources, "-o", "harness"], folder)
    assert (done.returncode, done.stdout) == (0, "")
    return folder / "harness"


class Harness:
    """One network's harness, built."""

    def __init__(self, graph, folder):
        self.graph = graph
        self._folder = deliver(folder, graph) / "driver" / "c"
        self._binary = build(self._folder, COMPILERS[0] if COMPILERS else "gcc")

    def __call__(self, *arguments):
        done = run([self._binary, output_edge(self.graph).data_bytes, *arguments], self._folder)
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def each(request, tmp_path_factory):
    return Harness(NETWORKS[request.param](), tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory):
    return Harness(NETWORKS["bytes"](), tmp_path_factory.mktemp("project"))


def test_golden_images_pass_over_several_starts(each):
    verdict, counts = each("test")
    assert verdict == "0 no error"
    assert re.fullmatch(r"ticks \d+ starts 3 resets 1", counts)


def test_values_and_classes_are_those_of_the_whole_network(each):
    expected = each.graph.run(from_stream(each.graph, vectors_of(each.graph).inputs))
    element = expected.type.element
    lines = each("values")
    if element == Planes((1,)):
        assert lines == ["none"]
        return
    whole = element.values(expected.data) if isinstance(element, Planes) else expected.data
    assert [[float(word) for word in line.split()[1:]] for line in lines] == whole.tolist()
    assert [int(line.split()[0]) for line in lines] == classes_of(each.graph, whole).tolist()


def test_self_test_names_image_and_element(each):
    last = output_edge(each.graph).elements - 1
    # Image 1 of every start is wrong: images 1, 4 and 7.
    verdict, _ = each("test", "WRONG_BEAT", "1")
    assert re.match(
        rf"19 3 of \d+ outputs differ; first at image 1, element {last}: -?\d+, golden has ", verdict
    )


FAULTS = {
    Fault.MM2S_INTERNAL: "12 MM2S DMAIntErr: a LENGTH of 0",
    Fault.MM2S_SLAVE: "13 MM2S DMASlvErr: .* HP port is enabled",
    Fault.MM2S_DECODE: "14 MM2S DMADecErr: .*assign_bd_address",
    Fault.S2MM_INTERNAL: "12 S2MM DMAIntErr: the packet was longer than the 384 bytes",
    Fault.S2MM_SLAVE: "13 S2MM DMASlvErr",
    Fault.S2MM_DECODE: "14 S2MM DMADecErr: nothing answers at 0x1",
    Fault.MISSING_TLAST: "16 S2MM is not idle after 2000 us, at image 2, .*TLAST is missing .*is short",
    Fault.MISSING_TLAST_INSIDE: "18 image 1: 12 bytes arrived, 6 are one image: TLAST is missing",
    Fault.SHORT_OUTPUT: "18 image 1: 3 bytes arrived, 6 are .*or the output is short",
    Fault.SHORT_OUTPUT_NO_TLAST: "18 image 1: 9 bytes arrived, 6 are one image: TLAST is missing",
    Fault.LONG_OUTPUT: "18 image 0: 12 bytes arrived, 6 are one image: .*or the output is too long",
    Fault.INPUT_STALLED: "15 MM2S is not idle after 2000 us, at image 0: .* does not take its input",
    Fault.NEVER_DONE: "17 the accelerator is not done after 2000 us, at image 2",
    Fault.BUSY: "5 the accelerator is not idle: another program uses it",
    Fault.RESET_STUCK: "10 the reset of the AXI DMA did not end within 1000 us",
    Fault.HALTED_STUCK: "11 S2MM stays halted although DMACR.RS is set",
    Fault.SCATTER_GATHER: "7 .* set c_include_sg to 0",
    Fault.NOT_A_DMA: "8 .*no AXI DMA in direct register mode",
    Fault.NARROW_LENGTH: "9 S2MM LENGTH keeps 128 of 384 bytes: .*c_sg_length_width 26",
    Fault.DMA_ABSENT: "6 .*no AXI DMA answers at 0x40400000",
    Fault.CONTROL_ABSENT: "3 .*no accelerator answers at 0x43c00000",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("mode", ["test", "polls"])
def test_every_fault_has_its_own_message_and_none_hangs(mode, fault, of_bytes):
    at = 2 if fault is Fault.NEVER_DONE else 1
    verdict, counts = of_bytes(mode, fault.name, at)
    message = FAULTS[fault].replace("00 us", "00 polls") if mode == "polls" else FAULTS[fault]
    assert re.match(message, verdict)
    # One wait ran out at most; without a clock a poll is up to two register accesses. What a status says is
    # told at once.
    assert int(counts.split()[1]) < (60 if verdict[:2] in {"12", "13", "14", "18"} else 6000)


def test_every_fault_of_the_model_is_tested():
    assert set(FAULTS) == set(Fault) - {Fault.NONE, Fault.WRONG_BEAT}
    names = re.search(r"fault_names\[FAULTS\] = \{(.*?)\}", (HERE / "model.c").read_text(), re.DOTALL)[1]
    assert re.findall(r'"(\w+)"', names) == [fault.name for fault in Fault]


def test_failed_dma_is_reset_and_a_broken_batch_is_not_started_over(of_bytes):
    first, second, third, counts = of_bytes("recover", "S2MM_SLAVE")
    assert first.startswith("13 S2MM DMASlvErr")
    assert second.startswith("5 the accelerator is not idle")
    assert third == "0 no error"
    assert counts.endswith("starts 4 resets 2")


def test_reset_that_failed_is_tried_again(of_bytes):
    first, second, _, counts = of_bytes("recover", "RESET_STUCK")
    assert first.startswith("10 the reset of the AXI DMA did not end")
    assert second == "0 no error"
    assert counts.endswith("resets 2")


def test_cache_commands_are_needed_and_given(of_bytes):
    assert of_bytes("stale")[0].startswith("19 48 of 48 outputs differ")


def test_wrong_offset_is_found_before_the_start(of_bytes):
    verdict, counts = of_bytes("shifted")
    assert re.match(r"4 'images' at offset 0x10 keeps 0, not 3: .*documented default .*make HEADER=", verdict)
    assert "starts 0" in counts


def test_images_are_arranged_as_the_stream_has_them(each):
    """A ramp makes every element known by its value, and its way back gives the ramp again."""
    (line,) = each("arrange")
    arranged = np.array([int(word) for word in line.split()])
    ramp = np.arange(arranged.size)
    assert np.array_equal(from_stream(each.graph, arranged[np.newaxis])[0], ramp)
    assert np.array_equal(arranged, ramp) == (each.graph.name != "random_cnn")


def test_arguments_are_checked(of_bytes):
    beyond, none = of_bytes("range")
    assert beyond == (
        "1 there must be at least one image, room for one in both buffers, and codes in 0..7; "
        "image 1, element 1 has 8"
    )
    assert none.startswith("1 there must be at least one image")


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_sources_are_clean_optimized_and_for_bare_metal(compiler, name, tmp_path):
    folder = deliver(tmp_path, NETWORKS[name]()) / "driver" / "c"
    build(folder, compiler, ("-O2",))
    sources = ["main.c", "platform_linux.c", "platform_baremetal.c"]
    done = run([compiler, *STRICT, "-O2", "-c", "-I.", f"-I{HERE}/bsp", *sources], folder)
    assert (done.returncode, done.stdout) == (0, "")


HEADER = """#define XRANDOM_MLP_CONTROL_ADDR_AP_CTRL 0x00
#define XRANDOM_MLP_CONTROL_ADDR_IMAGES_DATA 0x18
"""


def test_makefile_says_which_offsets_it_takes(tmp_path):
    project = deliver(tmp_path, NETWORKS["bytes"]())
    folder = project / "driver" / "c"
    assert "note: no xrandom_mlp_hw.h was found" in run(["make"], folder).stdout
    # There is no board here: the program says what is missing and does not touch anything.
    done = run(["./self_test"], folder)
    assert done.returncode == 1
    assert "control registers: the documented default" in done.stdout
    assert "FAILED: registers or memory cannot be reached: run as root, load u-dma-buf" in done.stdout
    generated = project / "random_mlp_hls/solution1/impl/ip/drivers/random_mlp_v1_0/src/xrandom_mlp_hw.h"
    generated.parent.mkdir(parents=True)
    generated.write_text(HEADER)
    said = run(["make", "-B"], folder).stdout
    assert "note" not in said
    assert "HBNN_HLS_HEADER" in said
    assert "control registers: xrandom_mlp_hw.h" in run(["./self_test"], folder).stdout


def test_linux_platform_reaches_registers_and_memory(tmp_path):
    """On files in their place the DMA's reset bit stays as written, which the driver must notice and say."""
    folder = deliver(tmp_path, NETWORKS["bytes"]()) / "driver" / "c"
    machine = tmp_path / "machine"
    memory = machine / "sys/class/u-dma-buf/udmabuf0"
    memory.mkdir(parents=True)
    (memory / "phys_addr").write_text("0x0000000010000000\n")
    (memory / "size").write_text("16384\n")
    (machine / "dev").mkdir()
    for name, size in (("mem", 0x43C0_1000), ("udmabuf0", 16384)):
        with (machine / "dev" / name).open("wb") as file:
            file.truncate(size)  # sparse
    with (machine / "dev/mem").open("r+b") as file:
        file.seek(0x43C0_0000)
        file.write(bytes([4]))  # AP_CTRL: idle
    root = f"CFLAGS=-O1 -DHBNN_ROOT='\"{machine}\"'"
    assert run(["make", root], folder).returncode == 0
    done = run(["./self_test"], folder)
    assert done.returncode == 1
    assert "FAILED: the reset of the AXI DMA did not end within 100000 us" in done.stdout
    with (machine / "dev/mem").open("rb") as file:
        file.seek(0x4040_0000)
        assert file.read(4) == bytes([4, 0, 0, 0])
    (memory / "size").write_text("8192\n")
    assert "load u-dma-buf with udmabuf0 of at least 9088 bytes" in run(["./self_test"], folder).stdout
