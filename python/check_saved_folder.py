"""Loads a folder that node-bert saved with Hugging Face, strictly, and prints as JSON what it found and what it predicts.

    .venv/bin/python python/check_saved_folder.py FOLDER [--text "A good movie." …]

Exits with 1 and says on stderr why, when a tensor is missing, left over or of another shape, when the tokenizer does not load or does not fit
the model. On stdout: `architecture`, `parameters`, `labels` (id2label in order), `tokenizer` (its class), `vocabSize`, `files`, and
`predictions` as predict.py has them (float32).
"""

import argparse
import json
import pathlib
import sys

import torch
import transformers
from transformers import AutoTokenizer, BertForSequenceClassification, BertTokenizerFast

from predict import describe, predict
from rows import Rows, tokenize


def main():
    parser = argparse.ArgumentParser(description="load a saved folder with Hugging Face, strictly")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--text", action="append", default=[])
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model, report = BertForSequenceClassification.from_pretrained(
        arguments.folder, dtype=torch.float32, output_loading_info=True
    )
    problems = [f"{kind}: {sorted(map(str, names))}" for kind, names in report.items() if names]
    # Without its files Hugging Face makes up an empty tokenizer and says nothing.
    problems += [f"no {name}" for name in ("vocab.txt", "tokenizer.json") if not (arguments.folder / name).is_file()]
    tokenizer = BertTokenizerFast.from_pretrained(arguments.folder)
    automatic = type(AutoTokenizer.from_pretrained(arguments.folder)).__name__
    if automatic not in ("BertTokenizer", "BertTokenizerFast"):
        problems.append(f"AutoTokenizer gives a {automatic}")
    if len(tokenizer) > model.config.vocab_size:
        problems.append(f"the tokenizer has {len(tokenizer)} tokens, the model {model.config.vocab_size}")
    if problems:
        print("\n".join(problems), file=sys.stderr)
        sys.exit(1)
    texts = [(text, None) for text in arguments.text]
    rows = Rows(*tokenize(texts, arguments.folder, model.config.max_position_embeddings), None)
    json.dump(
        {
            "architecture": type(model).__name__,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "labels": [model.config.id2label[i] for i in range(model.config.num_labels)],
            "tokenizer": type(tokenizer).__name__,
            "vocabSize": len(tokenizer),
            "files": sorted(file.name for file in arguments.folder.iterdir()),
            "predictions": describe(model, rows, predict(model.eval(), rows, 8, "fp32")),
        },
        sys.stdout,
    )
    print()


if __name__ == "__main__":
    main()
