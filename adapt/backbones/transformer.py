"""Text encoders from a local Hugging Face folder."""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from adapt.backbones.pretrained import PretrainedBackbone
from adapt.errors import AdaptError
from adapt.extras import optional
from adapt.paths import data_root
from adapt.trees import Tree


class TransformerBackbone(PretrainedBackbone):
    """A pretrained text encoder, such as BERT, RoBERTa, DistilBERT or MiniLM. Needs the extra `text`.

    Inputs are what `adapt.data.Texts` gives, a dict of `ids` `(N, L)` and `mask` `(N, L)`, with 0 in the mask where a
    text has ended. The folder is what `save_pretrained` writes, or a download of the model's repository: `config.json`,
    `model.safetensors` and the tokenizer's files. Weights are read from safetensors alone, and no code from the folder
    is run. Nothing is downloaded.

    Args:
        path: The folder. A relative path is also looked for in `$ADAPT_DATA`.
        pooling: `mean` of the last layer's vectors over a text's tokens, or `cls` for the first token's.
        trainable_layers: How many of the last layers train: 0 freezes all (also its dropout), None trains all,
            embeddings included.
        layer_decay: Factor on the learning rate from layer to layer, towards the input: the last layer has the
            backbone's rate, the one before it this share of it, the embeddings the least.
        dropout: Probability of dropping in the layers that train; None for the folder's own.
        gradient_checkpointing: Keep less for the backward pass and compute it again: less memory, a third slower.
        bf16: Compute the encoder in bfloat16; features come out in float32.

    Raises:
        AdaptError: transformers is not installed, there is no such folder, it has no safetensors or needs code of its
            own, or an argument is out of range.
    """

    def __init__(
        self,
        path: str,
        pooling: Literal["mean", "cls"] = "mean",
        trainable_layers: int | None = None,
        layer_decay: float = 1.0,
        dropout: float | None = None,
        gradient_checkpointing: bool = False,
        bf16: bool = False,
    ) -> None:
        super().__init__(trainable_layers)
        if not 0 < layer_decay <= 1:
            raise AdaptError(f"Expected layer_decay in (0, 1], found {layer_decay}.")
        if dropout is not None and not 0 <= dropout < 1:
            raise AdaptError(f"Expected dropout in [0, 1), found {dropout}.")
        self.path, self.pooling, self.layer_decay, self.bf16 = path, pooling, layer_decay, bf16
        self.model: nn.Module = read_encoder(path)
        config: Any = self.model.config
        if getattr(self.model, "pooler", None) is not None:
            setattr(self.model, "pooler", None)  # noqa: B010  # a layer on the first token that no pooling here uses
        self.num_features = self.part_features = int(config.hidden_size)
        self.longest = longest_text(config)
        if dropout is not None:
            for module in self.model.modules():
                if isinstance(module, nn.Dropout):
                    module.p = dropout
        if gradient_checkpointing:
            with warnings.catch_warnings():  # transformers 6 renames it
                warnings.simplefilter("ignore")
                cast(Any, self.model).gradient_checkpointing_enable({"use_reentrant": False})
        layers = len(self.blocks) - 1
        if trainable_layers is not None and not 0 <= trainable_layers <= layers:
            raise AdaptError(
                f"Expected trainable_layers between 0 and the {layers} of {path}, found {trainable_layers}."
            )
        self._freeze()

    @property
    def blocks(self) -> list[nn.Module]:
        """The embeddings with whatever stands before or after the layers, then each layer."""
        layers = max(
            (module for module in self.model.modules() if isinstance(module, nn.ModuleList)), key=len, default=None
        )
        if layers is None:
            raise AdaptError(f"Expected an encoder with a list of layers in {self.path}, found none.")
        held = {id(p) for p in layers.parameters()}
        others = [m for m in self.model.modules() if (own := list(m.parameters())) and not held & {id(p) for p in own}]
        within = {id(m) for other in others for m in other.modules() if m is not other}
        return [nn.ModuleList([other for other in others if id(other) not in within]), *layers]

    def layer_groups(self) -> list[tuple[float, list[nn.Parameter]]]:
        """Parameters with their factor on the learning rate: `layer_decay` to the power of the layers behind them."""
        if self.layer_decay == 1:
            return super().layer_groups()
        blocks = self.blocks
        return [
            (self.layer_decay ** (len(blocks) - 1 - at), list(block.parameters())) for at, block in enumerate(blocks)
        ]

    def forward(self, x: Tree) -> Tensor:
        """Features `(N, num_features)` of `{"ids": (N, L), "mask": (N, L)}`."""
        self._check(x)
        return pooled(self.tokens(x["ids"], x["mask"]), x["mask"], self.pooling)

    def tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The last layer's vectors `(N, L, num_features)` of tokens `(N, L)`, in the weights' own precision."""
        # Within it alone: a trainer's own autocast stays as it is.
        half = torch.autocast(ids.device.type, torch.bfloat16) if self.bf16 else nullcontext()
        with half:
            hidden: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden.to(next(self.model.parameters()).dtype)

    def parts(self, x: Tree) -> tuple[Tensor, Tensor]:
        """Each token's vector `(N, L, num_features)`, and which of them are the text's `(N, L)`."""
        self._check(x)
        return self.tokens(x["ids"], x["mask"]), x["mask"].bool()

    @property
    def embeddings(self) -> nn.Parameter:
        """The tokens' vectors `(V, d)` at the input."""
        found: nn.Parameter = cast(Any, self.model).get_input_embeddings().weight
        return found

    def _check(self, x: Tree) -> None:
        if isinstance(x, dict) and {"ids", "mask"} <= x.keys():
            return
        if isinstance(x, dict) and "words" in x:
            raise AdaptError(
                "TransformerBackbone expects its own tokenizer's ids, found hashed words: give --data.tokenizer "
                f"{self.path}."
            )
        found = f"{tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise AdaptError(f"TransformerBackbone expects texts as a dict of ids and mask, found {found}: use Texts.")

    def _problem(self, shape: Any) -> str | None:
        return None  # texts have no shape that could be wrong


def pooled(hidden: Tensor, mask: Tensor, pooling: Literal["mean", "cls"]) -> Tensor:
    """One vector a text `(N, d)` of its tokens' `(N, L, d)`.

    Args:
        hidden: The last layer's vectors.
        mask: 0 where a text has ended `(N, L)`.
        pooling: `mean` over its tokens, or the first one's.
    """
    if pooling == "cls":
        return hidden[:, 0]
    weight = mask.to(hidden.dtype)[..., None]
    return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1)


def encoder_folder(path: str) -> Path:
    """The folder of an encoder, as it is given or below `$ADAPT_DATA`.

    Raises:
        AdaptError: There is none.
    """
    places = [Path(path), data_root() / path]
    for place in places:
        if (place / "config.json").is_file():
            return place
    looked = " nor ".join(map(str, dict.fromkeys(places)))
    raise AdaptError(
        f"Expected a Hugging Face folder with config.json, found none at {looked}. Download the model's repository "
        "(config.json, model.safetensors, tokenizer.json) into a folder, and give its path."
    )


def read_tokenizer(path: str) -> Any:
    """The tokenizer of a local folder, without code of the folder's own.

    Args:
        path: The folder.

    Raises:
        AdaptError: It cannot be read, or is not one of the fast ones.
    """
    transformers = optional("transformers", "transformers", "text", "A text encoder")
    folder = encoder_folder(path)
    transformers.logging.set_verbosity_error()
    try:
        found = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, use_fast=True, trust_remote_code=False
        )
    except Exception as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise AdaptError(f"Expected a tokenizer in {folder}, could not read it: {reason}.") from error
    return found


def read_encoder(path: str) -> nn.Module:
    """A network from a local folder, in float32: from safetensors alone, without code of the folder's own.

    Args:
        path: The folder.

    Raises:
        AdaptError: It cannot be read.
    """
    transformers = optional("transformers", "transformers", "text", "TransformerBackbone")
    folder = encoder_folder(path)
    if not any(folder.glob("*.safetensors")):
        raise AdaptError(
            f"Expected weights as safetensors in {folder}, found none. Pickled weights can run code: convert them with "
            "save_pretrained(folder, safe_serialization=True) where you trust them."
        )
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: nn.Module = transformers.AutoModel.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
            )
    # transformers has its own errors for each of the ways in which a folder can be wrong.
    except Exception as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise AdaptError(f"Expected an encoder in {folder}, could not read it: {reason}.") from error
    return found


def longest_text(config: Any) -> int:
    """Most tokens of a text that an encoder takes, by its configuration.

    Args:
        config: The network's configuration.
    """
    positions = int(getattr(config, "max_position_embeddings", 0) or 512)
    # RoBERTa and its kin begin to count positions after the padding's.
    shifted = getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert")
    return positions - (int(config.pad_token_id) + 1 if shifted else 0)


def tokenise(texts: Sequence[str], tokenizer: str, length: int) -> dict[str, Tensor]:
    """Tokens of texts, padded to the longest of them.

    Args:
        texts: The texts.
        tokenizer: A Hugging Face folder.
        length: Most tokens of a text.

    Returns:
        `ids` `(N, L)`, int32, and `mask` `(N, L)`, uint8, 0 where a text has ended.

    Raises:
        AdaptError: The folder has no tokenizer, or its encoder takes fewer tokens.
    """
    reader = read_tokenizer(tokenizer)
    most = _longest_of(tokenizer)
    if length > most:
        raise AdaptError(f"Expected a length of at most {most} tokens, those of {tokenizer}, found {length}.")
    found = reader(list(texts), truncation=True, max_length=length, return_token_type_ids=False)["input_ids"]
    longest = max(map(len, found), default=1)
    padding = int(reader.pad_token_id or 0)
    ids = np.full((len(found), longest), padding, np.int32)
    mask = np.zeros((len(found), longest), np.uint8)
    for row, tokens in enumerate(found):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
    return {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}


def _longest_of(tokenizer: str) -> int:
    transformers = optional("transformers", "transformers", "text", "A text encoder")
    folder = str(encoder_folder(tokenizer))
    return longest_text(transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False))
