"""The networks of the papers as float modules, and how each paper quantizes them.

Every builder takes the image's shape, the number of classes and a factor on the widths as keywords, and
returns a float network with ``nn.Hardtanh`` activations for :func:`hbnn_hw.nn.convert`.
"""

from models.networks.alexnet_bn import alexnet_bn
from models.networks.blocks import ImageShape
from models.networks.cnv import cnv
from models.networks.lenet5 import lenet5
from models.networks.mobilenet import mobilenet
from models.networks.perceptrons import lfc, sfc
from models.networks.quantize import Activations, Plan, Scope, paper_spec
from models.networks.residual import PaddedShortcut, ResidualBlock, ResNet
from models.networks.resnet18 import resnet18
from models.networks.resnet20 import resnet20
from models.networks.vgg8 import vgg8, vgg_small

__all__ = [
    "Activations",
    "ImageShape",
    "PaddedShortcut",
    "Plan",
    "ResNet",
    "ResidualBlock",
    "Scope",
    "alexnet_bn",
    "cnv",
    "lenet5",
    "lfc",
    "mobilenet",
    "paper_spec",
    "resnet18",
    "resnet20",
    "sfc",
    "vgg8",
    "vgg_small",
]
