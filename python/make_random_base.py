"""Writes .models/random-base: a BertForSequenceClassification of bert-base-uncased's size with Hugging Face's random initial weights.

    .venv/bin/python python/make_random_base.py [--size base|minilm|small] [--varied]

With BERT's own initial values every text gets nearly the same logits. --varied draws them wider, so that logits differ from row to row and
show whether two programs compute the same; the folder is then .models/random-<size>-varied.

It takes as long to train as the real one, which is all that throughput needs; nothing is downloaded. With the vocabulary of
bert-base-uncased at hand (vocab/bert-base-uncased under NODE_BERT_DATA, by default ../shared/data beside the checkout) the folder gets its
tokenizer too. Does nothing when the folder is complete. Prints the folder.
"""

import argparse
import os
import pathlib
import shutil
import sys

import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEED = 7
# Standard deviation of a row of weights' norm, about: from 2 on attention is no longer a plain mean.
VARIED = 2.5
# What differs from BertConfig's defaults, which are bert-base-uncased's sizes.
SIZES = {
    "base": {},
    "minilm": {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536},
    "small": {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024},
}


def main():
    parser = argparse.ArgumentParser(description="write a random BERT")
    parser.add_argument("--size", choices=SIZES, default="base", help="minilm: 6 x 384; small: 4 x 256")
    parser.add_argument("--varied", action="store_true", help="initial values with which logits differ from row to row")
    parser.add_argument("--output", type=pathlib.Path, help="default: .models/random-<size>, or random-<size>-varied")
    arguments = parser.parse_args()
    name = f"random-{arguments.size}-varied" if arguments.varied else f"random-{arguments.size}"
    folder = arguments.output or ROOT / ".models" / name
    if not (folder / "model.safetensors").exists():
        print(f"writing a random BERT into {folder}", file=sys.stderr)
        transformers.logging.disable_progress_bar()
        torch.manual_seed(SEED)
        config = BertConfig(num_labels=2, **SIZES[arguments.size])
        if arguments.varied:
            config.initializer_range = VARIED / config.hidden_size**0.5
        model = BertForSequenceClassification(config)
        part = folder.with_name(f"{folder.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(part)
        data = pathlib.Path(os.environ.get("NODE_BERT_DATA", ROOT.parent / "shared" / "data"))
        for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
            source = data / "vocab" / "bert-base-uncased" / name
            if source.exists():
                shutil.copyfile(source, part / name)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    print(folder)


if __name__ == "__main__":
    main()
