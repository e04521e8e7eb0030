"""Training layers, their deployed twins and model files: the part of the toolkit that needs PyTorch."""

from hbnn_hw.nn.activations import BitPlaneInput, SignActivation
from hbnn_hw.nn.binary import BinaryLinear, binarize
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
from hbnn_hw.nn.hbnn import HbnnLinear, residual_planes
from hbnn_hw.nn.latent import LatentLayer, LatentLinear, QuantizedLayer, QuantizedLinear, RealPlanes
from hbnn_hw.nn.mlp import Output, mlp
from hbnn_hw.nn.norms import OutputScale
from hbnn_hw.nn.train import EpochReport, Loss, TrainConfig, evaluate, train

__all__ = [
    "BinaryLinear",
    "BitPlaneInput",
    "DeployedAffine",
    "DeployedLinear",
    "Distribution",
    "EpochReport",
    "Golden",
    "Granularity",
    "HbnnLinear",
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
    "SignActivation",
    "TrainConfig",
    "average_bits",
    "binarize",
    "deploy",
    "dist_from_avg",
    "evaluate",
    "generate_bit_map",
    "load",
    "mlp",
    "residual_planes",
    "save",
    "train",
]
