"""Register model of what stands in the fabric: AXI DMA, control block, accelerator, memory behind a cache.

The AXI DMA follows PG021 in direct register mode: halted until RS is set; LENGTH starts and is ignored while
halted; idle is 0 before the first transfer and 1 after each; S2MM ends only at TLAST, LENGTH then tells the
bytes; a packet beyond LENGTH is DMAIntErr; an error clears RS and halts until a reset; a reset is one of both
channels. Time passes with register accesses alone, a microsecond each: nothing depends on the wall clock.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

from tests.drivers.delivered import hbnn_driver

DMA, CONTROL = 0x4040_0000, 0x43C0_0000
MEMORY = 0x1000_0000
RUN, RESET = 1, 4
HALTED, IDLE, SCATTER_GATHER, IOC, ERROR_IRQ = 1 << 0, 1 << 1, 1 << 3, 1 << 12, 1 << 14
INTERNAL, SLAVE, DECODE = 1 << 4, 1 << 5, 1 << 6
START, DONE, AP_IDLE, READY = 1, 2, 4, 8
TICK_S = 1e-6
MOST_TICKS = 200_000
IMAGE_TICKS = 5
RESET_TICKS = 3
NOBODY = 0xFFFF_FFFF


class Fault(Enum):
    NONE = auto()
    MM2S_INTERNAL = auto()
    MM2S_SLAVE = auto()
    MM2S_DECODE = auto()
    S2MM_INTERNAL = auto()
    S2MM_SLAVE = auto()
    S2MM_DECODE = auto()
    MISSING_TLAST = auto()  # on the last image
    MISSING_TLAST_INSIDE = auto()  # on an image that others follow
    SHORT_OUTPUT = auto()  # TLAST one beat early
    SHORT_OUTPUT_NO_TLAST = auto()
    LONG_OUTPUT = auto()  # twice the network's outputs
    INPUT_STALLED = auto()
    NEVER_DONE = auto()
    WRONG_BEAT = auto()
    BUSY = auto()
    RESET_STUCK = auto()
    HALTED_STUCK = auto()
    SCATTER_GATHER = auto()
    NOT_A_DMA = auto()
    NARROW_LENGTH = auto()
    DMA_ABSENT = auto()
    CONTROL_ABSENT = auto()


ERROR_BITS = {
    (0x00, Fault.MM2S_INTERNAL): INTERNAL,
    (0x00, Fault.MM2S_SLAVE): SLAVE,
    (0x00, Fault.MM2S_DECODE): DECODE,
    (0x30, Fault.S2MM_INTERNAL): INTERNAL,
    (0x30, Fault.S2MM_SLAVE): SLAVE,
    (0x30, Fault.S2MM_DECODE): DECODE,
}


class HangError(AssertionError):
    """The driver went on beyond all its time-outs."""


@dataclass
class Channel:
    base: int
    status: int = HALTED
    run: bool = False
    address: int = 0
    length: int = 0
    count: int = 0
    active: bool = False

    def fail(self, bit: int) -> None:
        self.status |= bit | ERROR_IRQ | HALTED
        self.run = self.active = False

    def finish(self) -> None:
        self.active = False
        self.status |= IDLE | IOC


@dataclass
class System:
    """Everything behind the registers.

    Attributes
    ----------
    compute
        The golden model: input bytes of one image to output bytes.
    image_bytes, beat_bytes
        Bytes of an input image and of an output beat.
    fault, at
        What is wrong, and at which image of a start.
    images_offset
        Where HLS put the argument.
    """

    compute: Callable[[bytes], bytes]
    image_bytes: int
    beat_bytes: int
    fault: Fault = Fault.NONE
    at: int = 0
    images_offset: int = 0x10
    length_bits: int = 26
    starts: int = 0
    ticks: int = 0
    resets: int = 0
    memory: np.ndarray = field(default_factory=lambda: np.full(1 << 16, 0xEE, dtype=np.uint8))

    def __post_init__(self) -> None:
        self.mm2s, self.s2mm = Channel(0x00), Channel(0x30)
        self.reset_ends = 0
        self.evictions: list[Callable[[], None]] = []
        self.queue = bytearray()
        self.results: deque[tuple[bytes, bool]] = deque()
        self.images = self.image = self.left = 0
        self.done = self.pending = False
        self.ready_at = 0
        self.running = self.fault is Fault.BUSY
        self.left = 1 if self.running else 0
        if self.fault is Fault.NARROW_LENGTH:
            self.length_bits = 8

    # Time -----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        self.ticks += 1
        if self.ticks > MOST_TICKS:
            raise HangError(f"the driver still polls after {MOST_TICKS} register accesses")
        self._step_mm2s()
        self._step_accelerator()
        self._step_s2mm()

    def _step_mm2s(self) -> None:
        channel = self.mm2s
        if not channel.active or self._inject(channel):
            return
        room = self.image_bytes - len(self.queue)
        if room and self.fault is not Fault.INPUT_STALLED:
            begin = channel.address - MEMORY + channel.count
            taken = min(room, channel.length - channel.count)
            self.queue += self.memory[begin : begin + taken].tobytes()
            channel.count += taken
        if channel.count == channel.length:
            channel.finish()

    def _step_accelerator(self) -> None:
        if not self.running:
            return
        if self.left and len(self.queue) == self.image_bytes and not self.results:
            if not self.ready_at:
                self.ready_at = self.ticks + IMAGE_TICKS
            if self.ticks >= self.ready_at:
                self.ready_at = 0
                self.results.extend(self._packet(self.compute(bytes(self.queue))))
                self.queue.clear()
                self.left, self.image = self.left - 1, self.image + 1
        if not self.left and not self.results and self.fault is not Fault.NEVER_DONE:
            self.running, self.done = False, True
            if self.pending:
                self.start()

    def _packet(self, octets: bytes) -> list[tuple[bytes, bool]]:
        here = self.image == self.at
        last = self.image == self.images - 1
        if here and self.fault is Fault.WRONG_BEAT:
            octets = octets[:-1] + bytes([octets[-1] ^ 1])
        if self.fault is Fault.LONG_OUTPUT:
            octets += octets
        if self.fault is Fault.NEVER_DONE and here:
            return []
        beats = [octets[i : i + self.beat_bytes] for i in range(0, len(octets), self.beat_bytes)]
        if here and self.fault in {Fault.SHORT_OUTPUT, Fault.SHORT_OUTPUT_NO_TLAST}:
            beats.pop()
        silent = (last and self.fault is Fault.MISSING_TLAST) or (
            here and self.fault in {Fault.MISSING_TLAST_INSIDE, Fault.SHORT_OUTPUT_NO_TLAST}
        )
        return [(beat, i == len(beats) - 1 and not silent) for i, beat in enumerate(beats)]

    def _step_s2mm(self) -> None:
        channel = self.s2mm
        if not channel.active or self._inject(channel):
            return
        while self.results and channel.active:
            beat, last = self.results.popleft()
            if channel.count + len(beat) > channel.length:
                channel.fail(INTERNAL)
                return
            begin = channel.address - MEMORY + channel.count
            self.memory[begin : begin + len(beat)] = np.frombuffer(beat, dtype=np.uint8)
            channel.count += len(beat)
            if last:
                channel.length = channel.count
                channel.finish()
                for evict in self.evictions:
                    evict()

    def _inject(self, channel: Channel) -> bool:
        bit = ERROR_BITS.get((channel.base, self.fault), 0)
        begin = channel.address - MEMORY
        if not bit and not 0 <= begin <= self.memory.size - channel.length:
            bit = DECODE
        if bit:
            channel.fail(bit)
        return bool(bit)

    def start(self) -> None:
        self.pending, self.running, self.done = False, True, False
        self.left, self.image, self.starts = self.images, 0, self.starts + 1

    # Registers ------------------------------------------------------------------------------------------

    def read_dma(self, offset: int) -> int:
        self.tick()
        if self.fault is Fault.DMA_ABSENT:
            return NOBODY
        channel, register = self._channel(offset)
        if register == 0x00:
            resetting = self.ticks < self.reset_ends or (self.reset_ends and self.fault is Fault.RESET_STUCK)
            return RUN * channel.run | RESET * bool(resetting)
        if register == 0x04:
            never_halted = self.fault is Fault.NOT_A_DMA
            return channel.status & ~(HALTED * never_halted) | SCATTER_GATHER * (
                self.fault is Fault.SCATTER_GATHER
            )
        return {0x18: channel.address, 0x28: channel.length}[register]

    def write_dma(self, offset: int, value: int) -> None:
        self.tick()
        channel, register = self._channel(offset)
        if register == 0x00:
            self._control(channel, value)
        elif register == 0x04:
            channel.status &= ~(value & (IOC | ERROR_IRQ))
        elif register == 0x18:
            assert value % 128 == 0, "without realignment, addresses are multiples of the memory's width"
            channel.address = value
        else:
            assert register == 0x28
            self._length(channel, value & ((1 << self.length_bits) - 1))

    def _channel(self, offset: int) -> tuple[Channel, int]:
        return (self.mm2s, offset) if offset < 0x30 else (self.s2mm, offset - 0x30)

    def _control(self, channel: Channel, value: int) -> None:
        if value & RESET:
            self.mm2s, self.s2mm = Channel(0x00), Channel(0x30)
            self.queue.clear()  # what was on its way is lost
            self.reset_ends, self.resets = self.ticks + RESET_TICKS, self.resets + 1
        elif value & RUN:
            assert self.ticks >= self.reset_ends, "the DMA was written while it was being reset"
            channel.run = True
            if self.fault is not Fault.HALTED_STUCK:
                channel.status &= ~HALTED
        else:
            channel.run = channel.active = False
            channel.status |= HALTED

    def _length(self, channel: Channel, value: int) -> None:
        assert not channel.active, "LENGTH was written during a transfer"
        channel.length = value
        if channel.status & HALTED or value == 0:
            return
        channel.active, channel.count = True, 0
        channel.status &= ~IDLE

    def read_control(self, offset: int) -> int:
        self.tick()
        if self.fault is Fault.CONTROL_ABSENT:
            return NOBODY
        if offset == 0:
            state = START * self.pending | DONE * self.done | AP_IDLE * (not self.running)
            self.done = False  # clears when it is read
            return state
        return self.images if offset == self.images_offset else 0

    def write_control(self, offset: int, value: int) -> None:
        self.tick()
        if offset == self.images_offset:
            self.images = value
        elif offset == 0 and value & START:
            if self.running:
                self.pending = True
            else:
                self.start()


class ModelRegisters(hbnn_driver.Registers):
    def __init__(self, read: Callable[[int], int], write: Callable[[int, int], None]) -> None:
        self._read, self._write = read, write

    def read(self, offset: int) -> int:
        return self._read(offset)

    def write(self, offset: int, value: int) -> None:
        self._write(offset, value)


class ModelBuffer(hbnn_driver.Buffer):
    """Memory behind a cache that keeps every line, and writes dirty ones back at the worst time."""

    def __init__(self, system: System, begin: int, size: int, coherent: bool) -> None:
        self._memory = system.memory[begin : begin + size]
        self._begin, self._passes = begin, coherent
        self._cache = np.full(size, 0x11, dtype=np.uint8)
        self._clean = self._cache.copy()
        system.evictions.append(self._evict)

    def _evict(self) -> None:
        dirty = self._cache != self._clean
        self._memory[dirty] = self._cache[dirty]

    @property
    def address(self) -> int:
        return MEMORY + self._begin

    @property
    def octets(self) -> np.ndarray:
        return self._cache

    def flush(self) -> None:
        if self._passes:
            self._memory[:] = self._clean[:] = self._cache

    def invalidate(self) -> None:
        if self._passes:
            self._cache[:] = self._clean[:] = self._memory


class ModelPlatform(hbnn_driver.Platform):
    """The machine; ``maintained=False`` gives one whose cache commands do nothing."""

    def __init__(self, system: System, maintained: bool = True) -> None:
        self._system, self._used, self._maintained = system, 0, maintained

    def registers(self, address: int, size: int) -> hbnn_driver.Registers:
        system = self._system
        if address == DMA:
            return ModelRegisters(system.read_dma, system.write_dma)
        assert address == CONTROL
        return ModelRegisters(system.read_control, system.write_control)

    def allocate(self, size: int) -> hbnn_driver.Buffer:
        begin, self._used = self._used, -(-(self._used + size) // 128) * 128
        return ModelBuffer(self._system, begin, size, self._maintained)

    def now(self) -> float:
        return self._system.ticks * TICK_S
