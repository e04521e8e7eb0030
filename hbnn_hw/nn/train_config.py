"""The hyper-parameters of the training loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from hbnn_hw.nn.flexor import SharpnessSchedule
from hbnn_hw.nn.learning_rate import CosineRate, LearningRateSchedule
from hbnn_hw.nn.method_steps import DEFAULT_MAP_SHARE
from hbnn_hw.nn.optimizer_specs import AdamSpec, OptimizerSpec
from hbnn_hw.nn.optimizers import GlorotScale
from hbnn_hw.nn.temperature import ExponentialTemperature, TemperatureSchedule


class Loss(Enum):
    """Training loss over the logits."""

    CROSS_ENTROPY = "cross_entropy"
    SQUARED_HINGE = "squared_hinge"


class Device(Enum):
    """Where the network trains: this processor, or torch's present GPU."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Hyper-parameters of :func:`~hbnn_hw.nn.train.train`.

    Attributes
    ----------
    epochs
        Passes over the training set.
    batch_size
        Images a step; a last, smaller batch of an epoch is left out.
    learning_rate
        The largest step size.
    warm_up
        Share of the training in which the step size rises linearly, before the schedule takes it down.
    seed
        Seeds the order of the images. Initial weights are the caller's: seed torch before building.
    loss
        Training loss.
    map_share
        HBNN: share of the epochs, from the first, at whose start bit maps of weights are computed anew;
        then they stay.
    activation_map_share
        The same for the maps of activations. With 0 the first batch of the training fits them for good, which
        serves best: the layers behind an activation learn which of its positions have how many bits.
    temperature
        SLB: temperature over the progress of training. Weights are hard from its end on.
    calibration_images
        SLB without state batch normalization: training images, the first ones, with which the statistics
        of batch normalization are estimated anew for the hard weights once the temperature moves; 0 for
        none.
    sharpness
        FleXOR: S_tanh over the progress of training. For steps in S_tanh that coincide with those of the
        step size see :class:`~hbnn_hw.nn.learning_rate.StepRate`.
    optimizer
        What takes the steps, and its weight decay.
    schedule
        Step size over the progress of training.
    glorot
        BNN: how the step size of latent weights is scaled by Glorot's coefficient; None for not at all. All
        other parameters keep ``learning_rate``.
    validation_images
        Training images, the last ones, that are held out: the network never trains on them, and accuracy
        after each epoch is measured on them instead of the test set (BNN: 10,000). 0 for none.
    device
        Where to train.
    threads
        Threads of torch on the processor. Another number may round differently.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    epochs: int
    batch_size: int = 256
    learning_rate: float = 4e-3
    seed: int = 0
    loss: Loss = Loss.CROSS_ENTROPY
    map_share: float = DEFAULT_MAP_SHARE
    activation_map_share: float = 0.0
    warm_up: float = 0.0
    temperature: TemperatureSchedule = field(default_factory=ExponentialTemperature)
    calibration_images: int = 10_000
    sharpness: SharpnessSchedule = field(default_factory=SharpnessSchedule)
    optimizer: OptimizerSpec = field(default_factory=AdamSpec)
    schedule: LearningRateSchedule = field(default_factory=CosineRate)
    glorot: GlorotScale | None = None
    validation_images: int = 0
    device: Device = Device.CPU
    threads: int = 1

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.batch_size < 1:
            raise ValueError(
                "epochs must not be negative and batch_size at least 1, "
                f"not {self.epochs!r} and {self.batch_size!r}"
            )
        if not 0.0 <= self.warm_up <= 1.0:
            raise ValueError(f"warm_up must lie in 0..1, not {self.warm_up!r}")
        if self.validation_images < 0 or self.calibration_images < 0:
            raise ValueError(
                "validation_images and calibration_images must not be negative, "
                f"not {self.validation_images!r} and {self.calibration_images!r}"
            )
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads!r}")
        if not isinstance(self.device, Device):
            raise ValueError(f"device must be Device.CPU or Device.CUDA, not {self.device!r}")
