"""What Hugging Face predicts, in the form of `bert predict --json`, with the token ids besides.

    .venv/bin/python python/predict.py --model FOLDER --text "A good movie." [--text …] | --file rows.jsonl
"""

import argparse
import json
import sys

import torch
import transformers
from transformers import BertForSequenceClassification

from rows import Rows, read_rows, tokenize
from training import autocast


def predict(model, rows, batch_size, dtype):
    """Logits of every row, (B, C), float32."""
    logits = []
    with torch.no_grad():
        for first in range(0, len(rows), batch_size):
            batch = rows.batch(range(first, min(first + batch_size, len(rows))))
            batch.pop("labels", None)
            with autocast(dtype):
                logits.append(model(**batch).logits.float())
    return torch.cat(logits) if logits else torch.zeros(0, model.config.num_labels)


def describe(model, rows, logits):
    scores = logits.softmax(-1)
    return [
        {
            "label": model.config.id2label[int(row.argmax())],
            "score": float(scores[i].max()),
            "logits": row.tolist(),
            "ids": rows.ids[i],
        }
        for i, row in enumerate(logits)
    ]


def main():
    parser = argparse.ArgumentParser(description="predict with Hugging Face")
    parser.add_argument("--model", required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", action="append")
    source.add_argument("--file")
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    model = BertForSequenceClassification.from_pretrained(
        arguments.model, dtype=torch.float32, attn_implementation=arguments.attention
    ).eval()
    if arguments.file is not None:
        rows = read_rows(arguments.file, arguments.model, arguments.max_length, model.config.label2id)
    else:
        rows = Rows(*tokenize([(text, None) for text in arguments.text], arguments.model, arguments.max_length), None)
    logits = predict(model, rows, arguments.batch_size, arguments.dtype)
    json.dump({"predictions": describe(model, rows, logits)}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
