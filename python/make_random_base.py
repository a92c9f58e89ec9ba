"""Writes .models/random-base: a BertForSequenceClassification of bert-base-uncased's size with Hugging Face's random initial weights.

    .venv/bin/python python/make_random_base.py

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


def main():
    parser = argparse.ArgumentParser(description="write a random BERT of bert-base-uncased's size")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / ".models" / "random-base")
    folder = parser.parse_args().output
    if not (folder / "model.safetensors").exists():
        print(f"writing a random BERT-base into {folder}", file=sys.stderr)
        transformers.logging.disable_progress_bar()
        torch.manual_seed(SEED)
        # BertConfig's defaults are bert-base-uncased's sizes.
        model = BertForSequenceClassification(BertConfig(num_labels=2))
        part = folder.with_name(f"{folder.name}.part")
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
