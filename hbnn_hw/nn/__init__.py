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
from hbnn_hw.nn.checkpoint import Golden, LoadedCheckpoint, Metadata, Method, load, save
from hbnn_hw.nn.deploy import deploy
from hbnn_hw.nn.deployed import DeployedAffine, DeployedLinear
from hbnn_hw.nn.hbnn import HbnnLinear, HbnnWeights, binarize_residuals, residual_planes
from hbnn_hw.nn.latent import LatentLayer, LatentLinear, QuantizedLayer, QuantizedLinear, RealPlanes
from hbnn_hw.nn.mlp import Output, mlp
from hbnn_hw.nn.norms import OutputScale, ShiftBatchNorm1d, ShiftBatchNorm2d
from hbnn_hw.nn.optimizers import GlorotScale, ShiftAdaMax, glorot_coefficient, glorot_groups
from hbnn_hw.nn.shift import ap2
from hbnn_hw.nn.train import EpochReport, Loss, TrainConfig, evaluate, train

__all__ = [
    "BinaryLinear",
    "BitPlaneInput",
    "DeployedAffine",
    "DeployedLinear",
    "Distribution",
    "EpochReport",
    "GlorotScale",
    "Golden",
    "Granularity",
    "HbnnLinear",
    "HbnnWeights",
    "Heuristic",
    "LatentLayer",
    "LatentLinear",
    "LoadedCheckpoint",
    "Loss",
    "Metadata",
    "Method",
    "Output",
    "OutputScale",
    "QuantizedLayer",
    "QuantizedLinear",
    "RealPlanes",
    "Sharing",
    "ShiftAdaMax",
    "ShiftBatchNorm1d",
    "ShiftBatchNorm2d",
    "SignActivation",
    "StochasticSign",
    "TrainConfig",
    "ap2",
    "average_bits",
    "binarize",
    "binarize_residuals",
    "binarize_stochastic",
    "deploy",
    "dist_from_avg",
    "evaluate",
    "generate_bit_map",
    "glorot_coefficient",
    "glorot_groups",
    "hard_sigmoid",
    "load",
    "mlp",
    "residual_planes",
    "save",
    "train",
]
