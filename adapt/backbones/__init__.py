"""Feature extractors: from inputs to `(N, num_features)`."""

from adapt.backbones.base import Backbone
from adapt.backbones.cnn import SmallCNN
from adapt.backbones.fusion import FusionBackbone
from adapt.backbones.identity import Identity
from adapt.backbones.lenet import LeNet
from adapt.backbones.mlp import MLP
from adapt.backbones.module import ModuleBackbone
from adapt.backbones.pretrained import TimmBackbone, TorchvisionBackbone
from adapt.backbones.series import CNN1D, TCN, InceptionTime, ResNet1D
from adapt.backbones.transformer import TransformerBackbone
from adapt.backbones.volumes import CNN3D
from adapt.backbones.words import BagOfWords

__all__ = [
    "CNN1D",
    "CNN3D",
    "MLP",
    "TCN",
    "Backbone",
    "BagOfWords",
    "FusionBackbone",
    "Identity",
    "InceptionTime",
    "LeNet",
    "ModuleBackbone",
    "ResNet1D",
    "SmallCNN",
    "TimmBackbone",
    "TorchvisionBackbone",
    "TransformerBackbone",
]
