"""Feature extractors: from inputs to `(N, num_features)`."""

from adapt.backbones.base import Backbone
from adapt.backbones.cnn import SmallCNN
from adapt.backbones.identity import Identity
from adapt.backbones.lenet import LeNet
from adapt.backbones.mlp import MLP
from adapt.backbones.pretrained import TimmBackbone, TorchvisionBackbone

__all__ = ["MLP", "Backbone", "Identity", "LeNet", "SmallCNN", "TimmBackbone", "TorchvisionBackbone"]
