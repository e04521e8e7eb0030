# SPDX-License-Identifier: Apache-2.0
"""The accelerator behind its DMA: images in, outputs out, and a reason when nothing comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .control import REGISTER_BYTES as CONTROL_BYTES
from .control import Control, Offsets
from .dma import REGISTER_BYTES as DMA_BYTES
from .dma import Dma
from .errors import (
    AcceleratorStuckError,
    DriverError,
    InputStalledError,
    LayoutError,
    OutputStalledError,
    PacketError,
    SelfTestError,
)
from .network import Addresses, Network
from .platform import Buffer, Platform

if TYPE_CHECKING:
    from .network import IntArray, RealArray

_ALIGNMENT = 128  # the widest memory side of the DMA, which has no realignment engine; also whole cache lines
_UNUSED = 0xA5  # fills the output buffer, so that what never arrived is not mistaken for an old result


class Inference(NamedTuple):
    """What came out of the accelerator, int64 (batch, elements), and the time it took [s]."""

    outputs: IntArray
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Throughput with all transfers."""
        return len(self.outputs) / self.seconds if self.seconds > 0 else 0.0


class Accelerator:
    """One accelerator and the AXI DMA that feeds it.

    Parameters
    ----------
    platform
        The machine.
    network
        What the bitstream computes.
    addresses
        Where the blocks are.
    offsets
        Where the accelerator's control registers are.
    batch
        Most images per start of the accelerator; both buffers are that large.
    timeout_s
        Longest time without an image [s]; None takes 0.5 s and ten times what a whole batch should take.

    Raises
    ------
    DriverError
        If the hardware does not answer as it must.
    """

    def __init__(
        self,
        platform: Platform,
        network: Network,
        addresses: Addresses,
        offsets: Offsets,
        batch: int = 64,
        timeout_s: float | None = None,
    ) -> None:
        if batch < 1:
            raise LayoutError(f"a batch must hold at least 1 image, not {batch}")
        self.network, self.addresses, self.offsets = network, addresses, offsets
        self._platform, self._batch = platform, batch
        expected = 10 * batch * network.image_seconds
        self._timeout_s = 0.5 + expected if timeout_s is None else timeout_s
        self._dma = Dma(platform.registers(addresses.dma, DMA_BYTES), platform.now)
        self._control = Control(platform.registers(addresses.control, CONTROL_BYTES), offsets)
        # Every image's outputs begin at an aligned address, because each is a transfer of its own.
        self._stride = -(-network.output.image_bytes // _ALIGNMENT) * _ALIGNMENT
        self._source: Buffer = platform.allocate(batch * network.input.image_bytes)
        self._sink: Buffer = platform.allocate(batch * self._stride)
        self._fresh = False

    def infer(self, images: np.ndarray[Any, Any]) -> Inference:
        """Compute the accelerator's outputs of a batch of any size.

        Parameters
        ----------
        images
            Integer codes (batch, ...), as many per image as the network has inputs, in the order of the
            network's own input: for images (channels, rows, columns), flat or not.

        Raises
        ------
        LayoutError
            If the images do not fit the network.
        DriverError
            Of the kind that fits, if the hardware fails; the next call starts from a reset DMA.
        """
        return self._infer(self.network.to_stream(self._codes(images)))

    def _infer(self, codes: IntArray) -> Inference:
        """Run images that are in the stream's order."""
        begin = self._platform.now()
        parts = [self._run(codes[at : at + self._batch]) for at in range(0, len(codes), self._batch)]
        return Inference(np.concatenate(parts), self._platform.now() - begin)

    def values(self, images: np.ndarray[Any, Any]) -> RealArray:
        """Compute the network's outputs (logits), float64 (batch, elements), the host's layers included."""
        return self.network.tail.values(self.infer(images).outputs)

    def classify(self, images: np.ndarray[Any, Any]) -> IntArray:
        """Compute the class of every image: the first largest output, int64 (batch,).

        Where the accelerator chooses the class itself, it is what leaves it.
        """
        if self.network.tail.is_class:
            return self.infer(images).outputs[:, 0]
        labels: IntArray = np.argmax(self.values(images), axis=1).astype(np.int64)
        return labels

    def self_test(self, inputs: IntArray, golden: IntArray) -> Inference:
        """Run the golden vectors, which are in the stream's order, and compare every output.

        Raises
        ------
        SelfTestError
            Naming the first image and element that differ.
        """
        result = self._infer(self._codes(inputs))
        differing = np.argwhere(result.outputs != golden)
        if len(differing):
            image, element = (int(index) for index in differing[0])
            raise SelfTestError(
                f"{len(differing)} of {golden.size} outputs differ; first at image {image}, element "
                f"{element}: {result.outputs[image, element]}, golden has {golden[image, element]}. Is the "
                "bitstream of this very export loaded, and is its timing met (WNS >= 0)?"
            )
        return result

    def _codes(self, images: np.ndarray[Any, Any]) -> IntArray:
        array, network = np.asarray(images), self.network
        if not np.issubdtype(array.dtype, np.integer):
            raise LayoutError(f"images must be integer codes, not {array.dtype}")
        if array.ndim < 2 or not len(array) or array[0].size != network.input.elements:
            raise LayoutError(
                f"images must be (batch, {network.input.elements}) or reshape to it, not {array.shape}"
            )
        if array.min() < network.input_low or array.max() > network.input_high:
            raise LayoutError(
                f"codes must lie in {network.input_low}..{network.input_high}, not "
                f"{array.min()}..{array.max()}"
            )
        return array.reshape(len(array), -1).astype(np.int64)

    def _run(self, codes: IntArray) -> IntArray:
        """One start of the accelerator; after a failure the DMA is reset before the next one."""
        self._control.check_idle()
        if not self._fresh:
            self._dma.restart()
        self._fresh = False
        outputs = self._transfer(codes)
        self._fresh = True
        return outputs

    def _transfer(self, codes: IntArray) -> IntArray:
        n_images, octets = len(codes), self.network.input.pack(codes)
        self._source.octets[: octets.size] = octets
        self._source.flush()
        self._sink.octets[:] = _UNUSED
        self._sink.flush()
        # The output's transfer first, so that the accelerator never waits for a place to write to.
        self._receive(0)
        self._dma.s2mm.check_length()
        self._control.start(n_images)
        self._dma.mm2s.start(self._source.address, octets.size)
        self._dma.mm2s.check_length()
        for image in range(n_images):
            if image:
                self._receive(image)
            self._wait_for(image)
        self._wait_for_end(n_images)
        self._sink.invalidate()
        return self._collect(n_images)

    def _receive(self, image: int) -> None:
        # All the room that is left, so that a missing TLAST is seen as such and not as an error of the DMA.
        self._dma.s2mm.start(self._sink.address + image * self._stride, (self._batch - image) * self._stride)

    def _wait_for(self, image: int) -> None:
        """Wait for one image's outputs."""
        deadline = self._platform.now() + self._timeout_s
        while not self._dma.s2mm.idle:
            self._dma.mm2s.check()
            if self._platform.now() > deadline:
                raise self._reason(image)
        received, expected = self._dma.s2mm.received, self.network.output.image_bytes
        if received != expected:
            short, long = (
                "TLAST came too early or the output is short",
                "TLAST is missing or the output is too long",
            )
            raise PacketError(
                f"image {image}: {received} bytes arrived, {expected} are one image: "
                f"{short if received < expected else long}; the bitstream must be the one of this export"
            )

    def _wait_for_end(self, n_images: int) -> None:
        """Wait until the accelerator and its input have ended as well."""
        deadline = self._platform.now() + self._timeout_s
        while not (self._dma.mm2s.idle and self._control.done):
            if self._platform.now() > deadline:
                raise self._reason(n_images)

    def _reason(self, image: int) -> DriverError:
        """Tell why data has not arrived, from what each block says of itself."""
        where = f"after {self._timeout_s:g} s, at image {image}"
        if not self._dma.mm2s.idle:
            return InputStalledError(
                f"MM2S is not idle {where}: the accelerator does not take its input. Is its reset released, "
                "is the stream connected, is the bitstream the one of this export?"
            )
        if not self._control.done:
            return AcceleratorStuckError(
                f"the accelerator is not done {where}, although it took all its input: it waits for more "
                "images or hangs inside. Is the bitstream the one of this export? Load it again, there is no "
                "other reset"
            )
        return OutputStalledError(
            f"S2MM is not idle {where}, although the accelerator is done: TLAST is missing on the last beat "
            "of the image, or the output is short. Vitis HLS drops TLAST unless the stream is of ap_axiu; "
            "check that m_axis_out has TLAST in the block design"
        )

    def _collect(self, n_images: int) -> IntArray:
        rows = self._sink.octets[: n_images * self._stride].reshape(n_images, self._stride)
        return self.network.output.unpack(np.ascontiguousarray(rows[:, : self.network.output.image_bytes]))
