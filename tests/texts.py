"""A tiny text encoder with random weights, in a Hugging Face folder."""

from pathlib import Path

import torch

WORDS = ["good", "great", "nice", "bad", "awful", "poor", "the", "a", "book", "pan", "was", "and", "it", "very"]


def make_encoder(folder: Path, layers: int = 2, width: int = 16) -> Path:
    """BERT of 2 layers and 16 features, with a tokenizer of whole words; the same one every time."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    # By both names: transformers 5 reads no file here, and would know no word.
    numbers = {word: k for k, word in enumerate(vocabulary)}
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), vocab=numbers).save_pretrained(folder)
    state = torch.get_rng_state()
    torch.manual_seed(0)
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    torch.set_rng_state(state)
    return folder
