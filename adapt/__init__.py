"""A PyTorch Lightning research framework for domain adaptation."""

__version__ = "0.1.0"
