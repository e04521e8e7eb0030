"""Training layers, their deployed twins and model files: the part of the toolkit that needs PyTorch."""

from hbnn_hw.nn.activations import BitPlaneInput, SignActivation, StochasticSign
from hbnn_hw.nn.binary import BinaryLinear, binarize, binarize_stochastic, hard_sigmoid
from hbnn_hw.nn.bit_map import (
    Distribution,
    Granularity,
    Heuristic,
    Sharing,
    average_bits,
    dist_from_avg,
    generate_bit_map,
)
from hbnn_hw.nn.checkpoint import LoadedCheckpoint, load, save
from hbnn_hw.nn.conv import (
    ConvOptions,
    LatentConv,
    LatentConv1d,
    LatentConv2d,
    Padding,
    QuantizedConv,
    QuantizedConv1d,
    QuantizedConv2d,
    Window,
)
from hbnn_hw.nn.conv_methods import (
    BinaryConv1d,
    BinaryConv2d,
    FlexorConv1d,
    FlexorConv2d,
    HbnnConv1d,
    HbnnConv2d,
    SlbConv1d,
    SlbConv2d,
)
from hbnn_hw.nn.convert import ConvertSpec, convert
from hbnn_hw.nn.deploy import deploy
from hbnn_hw.nn.deployed import DeployedAffine, DeployedConv2d, DeployedLinear
from hbnn_hw.nn.deployed_network import DeployedNetwork
from hbnn_hw.nn.encoders import ThermometerInput, ThresholdInput
from hbnn_hw.nn.epoch_report import EpochReport, Split
from hbnn_hw.nn.flexor import (
    AlphaInit,
    FlexorLinear,
    FlexorOptions,
    FlexorWeights,
    SharpnessSchedule,
)
from hbnn_hw.nn.hbnn import HbnnLinear, HbnnWeights, PlaneScales, binarize_residuals, residual_planes
from hbnn_hw.nn.hbnn_activation import HbnnActivation, calibrate_activations
from hbnn_hw.nn.latent import LatentLayer, LatentLinear, QuantizedLayer, QuantizedLinear, RealPlanes
from hbnn_hw.nn.layer_specs import (
    BnnSpec,
    FlexorSpec,
    FloatSpec,
    HbnnActivationSpec,
    HbnnSpec,
    LayerSpec,
    SignSpec,
    SlbSpec,
    UniformSpec,
)
from hbnn_hw.nn.learning_rate import CosineRate, ExponentialRate, LearningRateSchedule, StepRate
from hbnn_hw.nn.metadata import Golden, Metadata, Method
from hbnn_hw.nn.method_steps import MethodSteps
from hbnn_hw.nn.mlp import Norm, Output, mlp
from hbnn_hw.nn.network import Network, Step
from hbnn_hw.nn.norms import OutputScale, ShiftBatchNorm1d, ShiftBatchNorm2d
from hbnn_hw.nn.optimizer_specs import AdamSpec, OptimizerSpec, SgdSpec, ShiftAdaMaxSpec
from hbnn_hw.nn.optimizers import GlorotScale, ShiftAdaMax, glorot_coefficient, glorot_groups
from hbnn_hw.nn.shift import ap2
from hbnn_hw.nn.slb import SlbLinear, SlbWeights, WeightState, hard_state, value_set
from hbnn_hw.nn.state_batchnorm import StateBatchNorm1d, StateBatchNorm2d, StateNorm, recalibrate
from hbnn_hw.nn.structure import Add, Concat, Pad, Scale, Subsample
from hbnn_hw.nn.summary import LayerSummary, ModelSummary, summary
from hbnn_hw.nn.temperature import (
    CosineTemperature,
    ExponentialTemperature,
    LinearTemperature,
    TemperatureSchedule,
    WarmRestartTemperature,
)
from hbnn_hw.nn.tracing import trace
from hbnn_hw.nn.train import evaluate, train
from hbnn_hw.nn.train_config import Device, Loss, TrainConfig
from hbnn_hw.nn.train_log import CsvLog, TensorBoardLog
from hbnn_hw.nn.uniform_activation import UniformActivation
from hbnn_hw.nn.xor_function import XorGradient, xor_signs
from hbnn_hw.nn.xor_matrix import FlattenLayout, FlattenOrder, XorScheme, decode_weights

__all__ = [
    "AdamSpec",
    "Add",
    "AlphaInit",
    "BinaryConv1d",
    "BinaryConv2d",
    "BinaryLinear",
    "BitPlaneInput",
    "BnnSpec",
    "Concat",
    "ConvOptions",
    "ConvertSpec",
    "CosineRate",
    "CosineTemperature",
    "CsvLog",
    "DeployedAffine",
    "DeployedConv2d",
    "DeployedLinear",
    "DeployedNetwork",
    "Device",
    "Distribution",
    "EpochReport",
    "ExponentialRate",
    "ExponentialTemperature",
    "FlattenLayout",
    "FlattenOrder",
    "FlexorConv1d",
    "FlexorConv2d",
    "FlexorLinear",
    "FlexorOptions",
    "FlexorSpec",
    "FlexorWeights",
    "FloatSpec",
    "GlorotScale",
    "Golden",
    "Granularity",
    "HbnnActivation",
    "HbnnActivationSpec",
    "HbnnConv1d",
    "HbnnConv2d",
    "HbnnLinear",
    "HbnnSpec",
    "HbnnWeights",
    "Heuristic",
    "LatentConv",
    "LatentConv1d",
    "LatentConv2d",
    "LatentLayer",
    "LatentLinear",
    "LayerSpec",
    "LayerSummary",
    "LearningRateSchedule",
    "LinearTemperature",
    "LoadedCheckpoint",
    "Loss",
    "Metadata",
    "Method",
    "MethodSteps",
    "ModelSummary",
    "Network",
    "Norm",
    "OptimizerSpec",
    "Output",
    "OutputScale",
    "Pad",
    "Padding",
    "PlaneScales",
    "QuantizedConv",
    "QuantizedConv1d",
    "QuantizedConv2d",
    "QuantizedLayer",
    "QuantizedLinear",
    "RealPlanes",
    "Scale",
    "SgdSpec",
    "Sharing",
    "SharpnessSchedule",
    "ShiftAdaMax",
    "ShiftAdaMaxSpec",
    "ShiftBatchNorm1d",
    "ShiftBatchNorm2d",
    "SignActivation",
    "SignSpec",
    "SlbConv1d",
    "SlbConv2d",
    "SlbLinear",
    "SlbSpec",
    "SlbWeights",
    "Split",
    "StateBatchNorm1d",
    "StateBatchNorm2d",
    "StateNorm",
    "Step",
    "StepRate",
    "StochasticSign",
    "Subsample",
    "TemperatureSchedule",
    "TensorBoardLog",
    "ThermometerInput",
    "ThresholdInput",
    "TrainConfig",
    "UniformActivation",
    "UniformSpec",
    "WarmRestartTemperature",
    "WeightState",
    "Window",
    "XorGradient",
    "XorScheme",
    "ap2",
    "average_bits",
    "binarize",
    "binarize_residuals",
    "binarize_stochastic",
    "calibrate_activations",
    "convert",
    "decode_weights",
    "deploy",
    "dist_from_avg",
    "evaluate",
    "generate_bit_map",
    "glorot_coefficient",
    "glorot_groups",
    "hard_sigmoid",
    "hard_state",
    "load",
    "mlp",
    "recalibrate",
    "residual_planes",
    "save",
    "summary",
    "trace",
    "train",
    "value_set",
    "xor_signs",
]
