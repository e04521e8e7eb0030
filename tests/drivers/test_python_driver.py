"""The delivered Python driver against the register model: golden outputs, and a reason for every fault."""

import ast
import sys
import types

import numpy as np
import pytest

from hbnn_hw.streams import input_edge, output_edge
from hbnn_hw.types import Planes
from tests.drivers.delivered import control, errors, hbnn_driver, linux_platform, network
from tests.drivers.model import CONTROL, DMA, Fault, ModelPlatform
from tests.drivers.projects import NETWORKS, classes_of, deliver, outputs_of, system_of, vectors_of
from tests.graphs import random_inputs

TIMEOUT_S = 2e-3  # simulated: 2000 register accesses


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def each(request, tmp_path_factory):
    graph = NETWORKS[request.param]()
    return graph, package_of(deliver(tmp_path_factory.mktemp("project"), graph))


@pytest.fixture(scope="module")
def bytes_project(tmp_path_factory):
    graph = NETWORKS["bytes"]()
    return graph, package_of(deliver(tmp_path_factory.mktemp("project"), graph))


def package_of(project):
    return project / "driver" / "python" / "hbnn_driver"


def connect(system, folder, batch=4, **options):
    return hbnn_driver.connect(
        ModelPlatform(system), folder=folder, batch=batch, timeout_s=TIMEOUT_S, **options
    )


def test_lanes_of_every_width_and_sign_are_among_the_networks():
    edges = [(input_edge(graph), output_edge(graph)) for graph in (make() for make in NETWORKS.values())]
    assert {source.lane_bits for source, _ in edges} == {8}  # an encoder has at most 8 bits
    assert {(sink.lane_bits, sink.signed) for _, sink in edges} == {
        (8, True),
        (16, True),
        (32, True),
        (8, False),
    }
    assert {min(2, sink.beats) for _, sink in edges} == {1, 2}
    assert {min(2, source.beats) for source, _ in edges} == {1, 2}


def test_outputs_are_golden_over_several_starts(each):
    graph, folder = each
    system = system_of(graph)
    images = random_inputs(graph, 10, 3)
    result = connect(system, folder).infer(images)
    assert np.array_equal(result.outputs, outputs_of(graph, images))
    assert system.starts == 3  # 4 + 4 + 2 images
    assert system.resets == 1
    assert result.images_per_second > 0


def test_values_and_classes_are_those_of_the_whole_network(each):
    graph, folder = each
    images = random_inputs(graph, 9, 4)
    accelerator = connect(system_of(graph), folder)
    expected = graph.run(images)
    element = expected.type.element
    whole = element.values(expected.data) if isinstance(element, Planes) else expected.data
    if element == Planes((1,)):
        with pytest.raises(errors.LayoutError, match=r"sign_out \(Sign\) are left to you; use `infer`"):
            accelerator.values(images)
        return
    assert np.array_equal(accelerator.values(images), whole)
    assert np.array_equal(accelerator.classify(images), classes_of(graph, whole))


def test_delivered_vectors_are_the_first_golden_ones(each):
    graph, folder = each
    vectors = vectors_of(graph)
    inputs, outputs = hbnn_driver.load_vectors(hbnn_driver.load_network(folder), folder)
    assert np.array_equal(inputs, vectors.inputs)
    assert np.array_equal(outputs, vectors.outputs)


FAULTS = {
    Fault.MM2S_INTERNAL: (errors.DmaInternalError, "MM2S DMAIntErr: a LENGTH of 0"),
    Fault.MM2S_SLAVE: (errors.DmaSlaveError, "MM2S DMASlvErr: .* HP port is enabled"),
    Fault.MM2S_DECODE: (errors.DmaDecodeError, "MM2S DMADecErr: .*assign_bd_address"),
    Fault.S2MM_INTERNAL: (
        errors.DmaInternalError,
        "S2MM DMAIntErr: the packet was longer than the 512 bytes",
    ),
    Fault.S2MM_SLAVE: (errors.DmaSlaveError, "S2MM DMASlvErr"),
    Fault.S2MM_DECODE: (errors.DmaDecodeError, "S2MM DMADecErr: nothing answers at 0x1"),
    Fault.MISSING_TLAST: (
        errors.OutputStalledError,
        "at image 2, .*TLAST is missing .*or the output is short",
    ),
    Fault.MISSING_TLAST_INSIDE: (errors.PacketError, "image 1: 12 bytes arrived, 6 are .*TLAST is missing"),
    Fault.SHORT_OUTPUT: (errors.PacketError, "image 1: 3 bytes arrived, 6 .*or the output is short"),
    Fault.SHORT_OUTPUT_NO_TLAST: (errors.PacketError, "image 1: 9 bytes arrived, 6 are .*TLAST is missing"),
    Fault.LONG_OUTPUT: (
        errors.PacketError,
        "image 0: 12 bytes arrived, 6 are one image: .*or the output is too long",
    ),
    Fault.INPUT_STALLED: (errors.InputStalledError, "MM2S is not idle after 0.002 s, at image 0"),
    Fault.NEVER_DONE: (errors.AcceleratorStuckError, "not done after 0.002 s, at image 2"),
    Fault.BUSY: (errors.AcceleratorBusyError, r"not idle \(AP_CTRL 0x00\): another program uses it"),
    Fault.RESET_STUCK: (errors.DmaResetError, "the reset of the AXI DMA did not end within 0.1 s"),
    Fault.HALTED_STUCK: (errors.DmaResetError, "S2MM stays halted although DMACR.RS is set"),
    Fault.SCATTER_GATHER: (errors.DmaConfigurationError, "set c_include_sg to 0"),
    Fault.NOT_A_DMA: (errors.DmaConfigurationError, "no AXI DMA in direct register mode"),
    Fault.NARROW_LENGTH: (
        errors.DmaConfigurationError,
        "LENGTH keeps 0 of 512 bytes: .*c_sg_length_width 26",
    ),
    Fault.DMA_ABSENT: (errors.DmaConfigurationError, "no AXI DMA answers at this address"),
    Fault.CONTROL_ABSENT: (errors.ControlError, "no accelerator answers at this address"),
}


SAID_BY_STATUS = (errors.DmaInternalError, errors.DmaSlaveError, errors.DmaDecodeError, errors.PacketError)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_has_its_own_message_and_none_hangs(fault, bytes_project):
    graph, folder = bytes_project
    kind, message = FAULTS[fault]
    at = 2 if fault is Fault.NEVER_DONE else 1
    system = system_of(graph, fault=fault, at=at)
    with pytest.raises(kind, match=message):
        connect(system, folder).infer(random_inputs(graph, 3, 5))
    # Each wait has its own limit, and no more than one ran out; what a status says is told at once.
    assert system.ticks < (60 if issubclass(kind, SAID_BY_STATUS) else 150_000)


def test_every_fault_of_the_model_is_tested():
    assert set(FAULTS) == set(Fault) - {Fault.NONE, Fault.WRONG_BEAT}


def test_short_last_image_without_tlast_times_out_with_both_causes(bytes_project):
    graph, folder = bytes_project
    system = system_of(graph, fault=Fault.SHORT_OUTPUT_NO_TLAST, at=2)
    with pytest.raises(errors.OutputStalledError, match=r"TLAST is missing .* or the output is short"):
        connect(system, folder).infer(random_inputs(graph, 3, 5))


def test_packet_beyond_the_length_is_an_internal_error(bytes_project):
    graph, folder = bytes_project
    system = system_of(graph, fault=Fault.LONG_OUTPUT)
    system.compute = lambda octets, compute=system.compute: compute(octets) * 11  # 132 bytes for 128
    with pytest.raises(errors.DmaInternalError, match="longer than the 128 bytes of LENGTH"):
        connect(system, folder, batch=1).infer(random_inputs(graph, 1, 5))


@pytest.mark.parametrize("fault", [Fault.S2MM_SLAVE, Fault.MM2S_DECODE], ids=lambda fault: fault.name)
def test_failed_dma_is_reset_before_the_next_batch(fault, bytes_project):
    graph, folder = bytes_project
    system = system_of(graph)
    accelerator = connect(system, folder)
    images = random_inputs(graph, 3, 6)
    accelerator.infer(images)
    system.fault = fault
    with pytest.raises(errors.DmaError):
        accelerator.infer(images)
    # The accelerator waits for input that was lost: the driver says so and does not start it twice.
    system.fault = Fault.NONE
    with pytest.raises(errors.AcceleratorBusyError, match="load the bitstream again"):
        accelerator.infer(images)
    assert system.starts == 2
    system.running, system.left = False, 0  # the bitstream was loaded again
    assert np.array_equal(accelerator.infer(images).outputs, outputs_of(graph, images))
    assert system.resets == 2


def test_reset_that_failed_is_tried_again(bytes_project):
    graph, folder = bytes_project
    system = system_of(graph, fault=Fault.RESET_STUCK)
    accelerator = connect(system, folder)
    images = random_inputs(graph, 3, 6)
    with pytest.raises(errors.DmaResetError):
        accelerator.infer(images)
    system.fault = Fault.NONE
    assert np.array_equal(accelerator.infer(images).outputs, outputs_of(graph, images))
    assert system.resets == 2


def test_self_test_names_image_and_element(each):
    graph, folder = each
    vectors = vectors_of(graph)
    last = output_edge(graph).elements - 1
    system = system_of(graph, fault=Fault.WRONG_BEAT, at=2)
    # The highest byte of a lane decides the value by far: only the element that it belongs to may differ.
    accelerator = connect(system, folder, batch=8)
    with pytest.raises(errors.SelfTestError, match=rf"^1 of .* differ; first at image 2, element {last}: "):
        accelerator.self_test(vectors.inputs, vectors.outputs)
    system.fault = Fault.NONE
    assert len(accelerator.self_test(vectors.inputs, vectors.outputs).outputs) == 8


def test_cache_commands_are_needed_and_given(bytes_project):
    """Without them this model returns what the cache held, as the board would."""
    graph, folder = bytes_project
    images = random_inputs(graph, 4, 7)
    system = system_of(graph)
    platform = ModelPlatform(system, maintained=False)
    outputs = hbnn_driver.connect(platform, folder=folder, batch=4, timeout_s=TIMEOUT_S).infer(images).outputs
    assert not np.array_equal(outputs, outputs_of(graph, images))


def test_output_is_awaited_before_the_input_is_sent(bytes_project, monkeypatch):
    graph, folder = bytes_project
    system = system_of(graph)
    order = []
    write_dma, write_control = system.write_dma, system.write_control
    monkeypatch.setattr(system, "write_dma", lambda *given: (order.append(given), write_dma(*given)))
    monkeypatch.setattr(system, "write_control", lambda *given: (order.append(given), write_control(*given)))
    connect(system, folder).infer(random_inputs(graph, 1, 0))
    starts = [given for given in order if given[0] in {0x58, 0x28} or given == (0x00, 1)]
    assert starts == [(0x00, 1), (0x58, 512), (0x00, 1), (0x28, 12)]  # MM2S runs, S2MM, accelerator, MM2S


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 12)), "must be integer codes, not float64"),
        (np.zeros((2, 11), dtype=int), r"must be \(batch, 12\) or reshape to it, not \(2, 11\)"),
        (np.zeros(12, dtype=int), r"not \(12,\)"),
        (np.zeros((0, 12), dtype=int), r"not \(0, 12\)"),
        (np.full((1, 12), 8), r"must lie in 0\.\.7, not 8\.\.8"),
        (np.full((1, 12), -1), r"must lie in 0\.\.7, not -1\.\.-1"),
    ],
)
def test_images_that_do_not_fit_are_refused_before_the_hardware_is_touched(images, message, bytes_project):
    graph, folder = bytes_project
    system = system_of(graph)
    accelerator = connect(system, folder)
    ticks = system.ticks
    with pytest.raises(errors.LayoutError, match=message):
        accelerator.infer(images)
    assert system.ticks == ticks


def test_images_of_any_shape_are_taken_in_memory_order(bytes_project):
    graph, folder = bytes_project
    images = random_inputs(graph, 2, 8)
    accelerator = connect(system_of(graph), folder)
    found = accelerator.infer(images.reshape(2, 3, 4).astype(np.uint8)).outputs
    assert np.array_equal(found, outputs_of(graph, images))


HEADER = """// Vitis HLS
#define XRANDOM_MLP_CONTROL_ADDR_AP_CTRL     0x00
#define XRANDOM_MLP_CONTROL_ADDR_GIE         0x04
#define XRANDOM_MLP_CONTROL_ADDR_IMAGES_DATA 0x18
#define XRANDOM_MLP_CONTROL_BITS_IMAGES_DATA 32
"""


def test_offsets_come_from_the_generated_header(bytes_project, tmp_path):
    graph, folder = bytes_project
    header = tmp_path / "xrandom_mlp_hw.h"
    header.write_text(HEADER)
    images = random_inputs(graph, 3, 9)
    accelerator = connect(system_of(graph, images_offset=0x18), folder, header=header)
    assert np.array_equal(accelerator.infer(images).outputs, outputs_of(graph, images))
    assert accelerator.offsets == (0x00, 0x18, str(header))


def test_wrong_offset_is_found_before_the_start(bytes_project):
    graph, folder = bytes_project
    system = system_of(graph, images_offset=0x18)
    accelerator = connect(system, folder)
    assert accelerator.offsets.source == "the documented default (no generated header was found)"
    with pytest.raises(errors.ControlError, match=r"'images' at offset 0x10 keeps 0, not 3: .*--header"):
        accelerator.infer(random_inputs(graph, 3, 9))
    assert system.starts == 0


def test_header_is_found_where_hls_writes_it(tmp_path):
    project = deliver(tmp_path, NETWORKS["one_beat"]())
    assert control.find_header("random_mlp", package_of(project)) is None
    header = tmp_path / "random_mlp_hls/solution1/impl/ip/drivers/random_mlp_v1_0/src/xrandom_mlp_hw.h"
    header.parent.mkdir(parents=True)
    header.write_text(HEADER)
    assert control.find_header("random_mlp", package_of(project)) == header
    header.write_text(HEADER.replace("IMAGES_DATA 0x18", "N_DATA 0x18"))
    with pytest.raises(errors.ControlError, match="IMAGES_DATA; is it the header of this accelerator"):
        control.read_offsets(header)


HANDOFF = """<EDKSYSTEM><MODULES>
<MODULE INSTANCE="dma" MODTYPE="axi_dma"/><MODULE INSTANCE="acc_0" MODTYPE="random_mlp"/>
<MODULE INSTANCE="ps7" MODTYPE="processing_system7"><MEMORYMAP>
<MEMRANGE BASEVALUE="0x40400000" HIGHVALUE="0x4040FFFF" INSTANCE="dma" MEMTYPE="REGISTER"/>
<MEMRANGE BASEVALUE="0x43C00000" HIGHVALUE="0x43C0FFFF" INSTANCE="acc_0" MEMTYPE="REGISTER"/>
<MEMRANGE BASEVALUE="0x00000000" HIGHVALUE="0x3FFFFFFF" INSTANCE="ps7" MEMTYPE="MEMORY"/>
</MEMORYMAP></MODULE></MODULES></EDKSYSTEM>"""


def test_addresses_come_from_the_handoff_file(tmp_path):
    handoff = tmp_path / "design.hwh"
    handoff.write_text(HANDOFF)
    assert network.read_addresses(handoff, "random_mlp") == (DMA, CONTROL, str(handoff))
    with pytest.raises(errors.LayoutError, match="exactly one accelerator 'other', not 0"):
        network.read_addresses(handoff, "other")
    handoff.write_text("not XML")
    with pytest.raises(errors.LayoutError, match="no hardware hand-off file"):
        network.read_addresses(handoff, "random_mlp")


def test_damaged_folder_is_told(bytes_project, tmp_path):
    with pytest.raises(errors.LayoutError, match=r"network\.json' is missing or damaged"):
        hbnn_driver.load_network(tmp_path)
    _, folder = bytes_project
    with pytest.raises(errors.LayoutError, match=r"input\.dat' is missing or damaged"):
        hbnn_driver.load_vectors(hbnn_driver.load_network(folder), tmp_path)


def run_main(arguments, system, folder):
    from hbnn_driver.__main__ import main

    def opener(*, timeout_s, **options):
        return connect(system, folder, **options | {"batch": 4})

    return main(arguments, opener)


def test_command_line_tests_and_classifies(bytes_project, tmp_path, capsys, monkeypatch):
    graph, folder = bytes_project
    monkeypatch.setattr("hbnn_driver.__main__.load_vectors", lambda n: hbnn_driver.load_vectors(n, folder))
    assert run_main(["self-test"], system_of(graph), folder) == 0
    said = capsys.readouterr()
    assert said.out.startswith("PASSED: 8 images equal golden")
    assert "the delivered default (no .hwh was given)" in said.err
    assert "the documented default (no generated header was found)" in said.err
    images = random_inputs(graph, 5, 1)
    np.save(tmp_path / "images.npy", images)
    assert run_main(["classify", str(tmp_path / "images.npy")], system_of(graph), folder) == 0
    expected = np.argmax(graph.run(images).data, axis=1)
    assert [int(line) for line in capsys.readouterr().out.split()] == expected.tolist()
    assert run_main(["self-test"], system_of(graph, fault=Fault.WRONG_BEAT), folder) == 1
    assert "FAILED: SelfTestError: " in capsys.readouterr().err


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)


def linux_machine(root):
    """Files like those of a board: a UIO device for the DMA, /dev/mem for the rest, one u-dma-buf device."""
    write(root / "sys/class/uio/uio0/maps/map0/addr", "0x40400000\n")
    write(root / "dev/uio0", bytes(4096))
    memory = root / "sys/class/u-dma-buf/udmabuf0"
    write(memory / "phys_addr", "0x0000000010000000\n")
    write(memory / "size", "8192\n")
    write(root / "dev/udmabuf0", bytes(8192))


def test_linux_reaches_registers_and_memory_through_files(tmp_path):
    linux_machine(tmp_path)
    platform = linux_platform.LinuxPlatform(root=tmp_path)
    registers = platform.registers(0x40400000, 0x60)
    registers.write(0x28, 0x12345678)
    assert registers.read(0x28) == 0x12345678
    assert (tmp_path / "dev/uio0").read_bytes()[0x28:0x2C] == bytes.fromhex("78563412")
    first, second = platform.allocate(100), platform.allocate(50)
    assert (first.address, second.address) == (0x10000000, 0x10000080)
    second.octets[:] = 7
    assert (tmp_path / "dev/udmabuf0").read_bytes()[128:178] == bytes([7]) * 50
    second.flush()
    sysfs = tmp_path / "sys/class/u-dma-buf/udmabuf0"
    said = {name: (sysfs / name).read_text() for name in ("sync_offset", "sync_size", "sync_for_device")}
    assert said == {"sync_offset": "128", "sync_size": "50", "sync_for_device": "1"}
    assert not (sysfs / "sync_for_cpu").exists()
    second.invalidate()
    assert (sysfs / "sync_for_cpu").read_text() == "1"
    with pytest.raises(errors.PlatformError, match="8192 bytes, 256 of them are in use, and 9000 more"):
        platform.allocate(9000)
    with pytest.raises(errors.PlatformError, match=r"cannot open '.*/dev/mem'"):
        platform.registers(0x43C00000, 0x1000)


def test_linux_without_the_module_says_which(tmp_path):
    with pytest.raises(errors.PlatformError, match=r"insmod u-dma-buf\.ko udmabuf0=16777216"):
        linux_platform.LinuxPlatform(root=tmp_path)


class FakePynq(types.ModuleType):
    """PYNQ's three names, in front of the register model."""

    def __init__(self, system):
        super().__init__("pynq")
        platform = ModelPlatform(system)

        class Array(np.ndarray):
            def flush(self):
                self.buffer.flush()

            def invalidate(self):
                self.buffer.invalidate()

        def allocate(shape, dtype):
            assert dtype is np.uint8
            buffer = platform.allocate(*shape)
            array = buffer.octets.view(Array)
            array.buffer, array.device_address = buffer, buffer.address
            return array

        self.MMIO, self.allocate = platform.registers, allocate
        self.loaded = []
        self.Overlay = self.loaded.append


def test_pynq_is_used_where_it_is_installed(bytes_project, tmp_path, monkeypatch):
    graph, folder = bytes_project
    pynq = FakePynq(system_of(graph))
    monkeypatch.setitem(sys.modules, "pynq", pynq)
    monkeypatch.delitem(sys.modules, "hbnn_driver.pynq_platform", raising=False)
    (tmp_path / "design.hwh").write_text(HANDOFF)
    images = random_inputs(graph, 6, 2)
    accelerator = hbnn_driver.connect(bitstream=tmp_path / "design.bit", folder=folder, batch=4)
    assert pynq.loaded == [str(tmp_path / "design.bit")]
    assert accelerator.addresses.source == str(tmp_path / "design.hwh")
    assert np.array_equal(accelerator.infer(images).outputs, outputs_of(graph, images))


def test_bitstream_without_pynq_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynq", None)
    monkeypatch.delitem(sys.modules, "hbnn_driver.pynq_platform", raising=False)
    with pytest.raises(errors.PlatformError, match="can only be loaded by PYNQ"):
        hbnn_driver.find_platform(tmp_path / "design.bit")


def test_package_runs_on_the_python_of_old_boards(bytes_project):
    _, folder = bytes_project
    for path in folder.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 8))
