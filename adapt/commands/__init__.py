"""The `adapt` command, the top layer. `main` and `options` import torch only when needed."""
