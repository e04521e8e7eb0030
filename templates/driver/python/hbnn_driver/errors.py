# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between host and accelerator; every message says what to do about it."""

from __future__ import annotations


class DriverError(RuntimeError):
    """Base of all errors of this package."""


class PlatformError(DriverError):
    """No way to reach the hardware from this machine: a device file, a module or an address is missing."""


class LayoutError(DriverError):
    """Images or files do not fit the network that this driver was delivered for."""


class ControlError(DriverError):
    """The accelerator's control registers do not answer as its control block does."""


class AcceleratorBusyError(DriverError):
    """The accelerator still works, or hangs, when a batch is to be started."""


class DmaError(DriverError):
    """Base of what an AXI DMA reports or refuses."""


class DmaConfigurationError(DmaError):
    """The AXI DMA of the block design is built otherwise than this driver needs."""


class DmaResetError(DmaError):
    """The AXI DMA does not come out of its reset, or does not start to run."""


class DmaInternalError(DmaError):
    """DMASR.DMAIntErr: length 0, or a packet longer than the LENGTH it was given."""


class DmaSlaveError(DmaError):
    """DMASR.DMASlvErr: the memory side answered with an error."""


class DmaDecodeError(DmaError):
    """DMASR.DMADecErr: no memory lies at the address."""


class TransferTimeoutError(DriverError):
    """Base of what is found when data has not arrived in time."""


class InputStalledError(TransferTimeoutError):
    """MM2S never became idle: the accelerator does not take its input."""


class OutputStalledError(TransferTimeoutError):
    """S2MM never became idle: TLAST is missing or the output is short."""


class AcceleratorStuckError(TransferTimeoutError):
    """The accelerator took its input but never finished."""


class PacketError(DriverError):
    """A packet of the output stream is not one image long."""


class SelfTestError(DriverError):
    """An output differs from the golden one."""
