"""What a linear probe reaches with Hugging Face's features and scikit-learn's logistic regression: the reference of benchmarks/accuracy/probe.mjs.

    .venv/bin/python python/probe.py --model FOLDER --rows train.jsonl --eval-rows test.jsonl --max-length 128

Prints one JSON document: for each pooling the accuracy on the evaluation rows. Features are of the frozen encoder in float32, without dropout.
"""

import argparse
import json

import torch
import transformers
from sklearn.linear_model import LogisticRegression
from transformers import BertModel

from rows import read_rows


def pool(output, mask):
    """The last hidden state as one vector a row, in three ways: each (B, H)."""
    hidden, weights = output.last_hidden_state, mask[..., None].float()
    return {
        "mean": (hidden * weights).sum(1) / weights.sum(1),
        "cls": hidden[:, 0],
        "pooler": output.pooler_output,
    }


def features(model, rows, batch_size=8):
    parts = []
    with torch.no_grad():
        for first in range(0, len(rows), batch_size):
            batch = rows.batch(range(first, min(first + batch_size, len(rows))))
            batch.pop("labels")
            parts.append(pool(model(**batch), batch["attention_mask"]))
    return {pooling: torch.cat([part[pooling] for part in parts]).numpy() for pooling in parts[0]}


def main():
    parser = argparse.ArgumentParser(description="linear probe with Hugging Face and scikit-learn")
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", required=True)
    parser.add_argument("--eval-rows", required=True)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    model = BertModel.from_pretrained(arguments.model, dtype=torch.float32).eval()
    train = read_rows(arguments.rows, arguments.model, arguments.max_length)
    test = read_rows(arguments.eval_rows, arguments.model, arguments.max_length)
    known, unseen = features(model, train), features(model, test)
    accuracy = {}
    for pooling in known:
        classifier = LogisticRegression(max_iter=10000, tol=1e-6).fit(known[pooling], train.labels)
        accuracy[pooling] = classifier.score(unseen[pooling], test.labels)
    print(json.dumps(accuracy))


if __name__ == "__main__":
    main()
