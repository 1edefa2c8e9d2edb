"""Going on with a language model's pretraining on the target's texts."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adapt.backbones import TransformerBackbone
from adapt.backbones.transformer import read_tokenizer
from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.layers.masking import hide_words
from adapt.losses import masked_language
from adapt.methods.base import Method
from adapt.trees import Tree


class MaskedLanguage(Method):
    """First guesses hidden words in unlabelled texts of the target, then learns the task on the source.

    Paper: Gururangan et al., Don't Stop Pretraining: Adapt Language Models to Domains and Tasks, ACL 2020
    (https://aclanthology.org/2020.acl-main.740).

    Formula: `L = MLM(x_t) [+ MLM(x_s)]` for the first `pretraining` of the batches, then `L = CE(f(x_s), y_s)
    [+ w · MLM(x_t)]`, where MLM is the mean cross-entropy of 15 % of the words, of which 80 % were replaced by the
    mask, 10 % by another word. Texts `{"ids": (N, L), "mask": (N, L)}`, and a `TransformerBackbone` whose layers train.

    As in the paper, the words' head is BERT's: a linear layer, GELU, layer norm, and the input embeddings as output
    weights. Departures: the head starts new, since sentence encoders are given away without theirs; both phases share
    one optimizer and one schedule; the texts are those of the task (the paper's task-adaptive pretraining, TAPT), since
    a target domain here has no others; with several processes each averages over its own words. `train/guessed` is the
    share of hidden words that were guessed.

    Published: not on a task here. On the paper's tasks TAPT adds 0.3 to 9.3 points of F1 to RoBERTa.

    Args:
        pretraining: Share of the training spent on guessing words.
        with_source: Guess words of the source's texts too.
        weight: Weight w of the target's words while the task is learned; 0 as in the paper.
        rate: Share of the words that are hidden.
        **kwargs: Arguments of `Method`; `backbone` has to be a `TransformerBackbone`.

    Raises:
        AdaptError: The backbone reads no text or is frozen, its tokenizer has no mask, or an argument is out of range.
    """

    family: ClassVar[str] = "self-training"
    needs: ClassVar[str] = "texts"
    idle_parameters: ClassVar[bool] = True

    def __init__(
        self,
        pretraining: float = 0.5,
        with_source: bool = True,
        weight: float = 0.0,
        rate: float = 0.15,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= pretraining < 1 or weight < 0 or not 0 < rate <= 1:
            raise AdaptError(
                "MaskedLanguage expects pretraining in [0, 1), a weight of at least 0 and a rate in (0, 1], found "
                f"{pretraining}, {weight} and {rate}."
            )
        if not isinstance(self.backbone, TransformerBackbone):
            raise AdaptError(
                "MaskedLanguage guesses words, so expects a TransformerBackbone, found "
                f"{type(self.backbone).__name__}: give --model.backbone TransformerBackbone and its path."
            )
        if self.backbone.trainable == 0:
            raise AdaptError("MaskedLanguage trains the encoder, found trainable_layers 0: let some layers train.")
        self.pretraining, self.with_source, self.weight, self.rate = pretraining, with_source, weight, rate
        tokenizer = read_tokenizer(self.backbone.path)
        if tokenizer.mask_token_id is None:
            raise AdaptError(f"Expected a tokenizer with a mask in {self.backbone.path}, found none: take a BERT's.")
        self.mask_id = int(tokenizer.mask_token_id)
        self.register_buffer("special", torch.tensor(sorted(tokenizer.all_special_ids)), persistent=False)
        width, vocabulary = self.backbone.embeddings.shape[1], len(self.backbone.embeddings)
        self.words = nn.Sequential(nn.Linear(self.backbone.num_features, width), nn.GELU(), nn.LayerNorm(width))
        self.word_bias = nn.Parameter(torch.zeros(vocabulary))

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Guessed words, later cross-entropy on the source."""
        if self.progress < self.pretraining:
            terms = {"target_words": self.guessing(batch.target.x)}
            return terms | ({"source_words": self.guessing(batch.source.x)} if self.with_source else {})
        terms = {"source": self.supervised_loss(self(batch.source.x).logits, batch.source.y)}
        return terms | ({"target_words": self.weight * self.guessing(batch.target.x)} if self.weight else {})

    def guessing(self, x: Tree) -> Tensor:
        """Mean cross-entropy of the hidden words of texts `{"ids": (N, L), "mask": (N, L)}`."""
        backbone: Any = self.backbone
        ids, mask, special = x["ids"], x["mask"], self.get_buffer("special")
        words = mask.bool() & ~torch.isin(ids, special)
        hidden, chosen = hide_words(
            ids, words, mask_id=self.mask_id, vocabulary=len(backbone.embeddings), rate=self.rate
        )
        vectors = self.words(backbone.tokens(hidden, mask))
        logits = vectors @ backbone.embeddings.T + self.word_bias
        if self.logs_now:
            right = (logits.argmax(2) == ids) & chosen
            self.log_values({"guessed": right.sum() / chosen.sum().clamp_min(1)})
        return masked_language(logits, ids, chosen)
