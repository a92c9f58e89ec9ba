"""Labelled rows as Hugging Face's model takes them: read, tokenized, batched and padded.

Two kinds of files: JSONL with {"text": …, "label": …} a line (a pair is {"text": …, "textPair": …}), tokenized by the model folder's own
tokenizer; and safetensors that hold token ids already, as the fixtures' rows.safetensors does: `packed.input_ids` (N),
`packed.token_type_ids` (N), `packed.cu_seqlens` (B + 1), `labels` (B).
"""

import json

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer


class Rows:
    """Token ids and types of every row, and labels where the file has them."""

    def __init__(self, ids, types, labels):
        self.ids, self.types, self.labels = ids, types, labels

    def __len__(self):
        return len(self.ids)

    def tokens(self, indices):
        return sum(len(self.ids[i]) for i in indices)

    def batch(self, indices, length=None):
        """The model's keyword arguments for these rows, padded to the longest of them or to `length`: each (B, S), labels (B)."""
        longest = length or max(len(self.ids[i]) for i in indices)
        shape = (len(indices), longest)
        batch = {
            "input_ids": torch.zeros(shape, dtype=torch.long),
            "token_type_ids": torch.zeros(shape, dtype=torch.long),
            "attention_mask": torch.zeros(shape, dtype=torch.long),
        }
        for row, i in enumerate(indices):
            size = len(self.ids[i])
            batch["input_ids"][row, :size] = torch.tensor(self.ids[i])
            batch["token_type_ids"][row, :size] = torch.tensor(self.types[i])
            batch["attention_mask"][row, :size] = 1
        if self.labels is not None:
            batch["labels"] = torch.tensor([self.labels[i] for i in indices])
        return batch


def read_rows(path, model_folder, max_length, label2id=None):
    return read_packed(path) if str(path).endswith(".safetensors") else read_jsonl(path, model_folder, max_length, label2id or {})


def read_packed(path):
    tensors = load_file(path)
    cu = tensors["packed.cu_seqlens"].tolist()
    spans = [slice(first, last) for first, last in zip(cu, cu[1:])]
    ids, types = tensors["packed.input_ids"].tolist(), tensors["packed.token_type_ids"].tolist()
    labels = tensors["labels"].tolist() if "labels" in tensors else None
    return Rows([ids[span] for span in spans], [types[span] for span in spans], labels)


def read_jsonl(path, model_folder, max_length, label2id):
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    ids, types = tokenize([(row["text"], row.get("textPair")) for row in rows], model_folder, max_length)
    labels = None
    if rows and "label" in rows[0]:
        labels = [label2id[row["label"]] if isinstance(row["label"], str) else row["label"] for row in rows]
    return Rows(ids, types, labels)


def tokenize(pairs, model_folder, max_length):
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids, types = [], []
    for first, second in pairs:
        encoded = tokenizer(first, second, truncation=True, max_length=max_length)
        ids.append(encoded["input_ids"])
        types.append(encoded["token_type_ids"])
    return ids, types
