"""What Hugging Face computes with any saved classifier on random sequences: the files of a fixture (packages/bert/test/fixtures/README.md), for
models too large to keep them.

    .venv/bin/python python/compute_reference.py FOLDER OUTPUT --lengths 40 1 128 --seed 1

Writes OUTPUT/reference.safetensors (float64, rounded once) and OUTPUT/reference.json: under `errors`, for float32 and for bfloat16 autocast,
the normalised error of every result against float64. Dropout is off.
"""

import argparse
import json
import pathlib

import torch
import transformers
from transformers import BertForSequenceClassification

from fixture_files import save_reference
from reference import errors, random_sequences, run_model


def main():
    parser = argparse.ArgumentParser(description="compute with Hugging Face on random sequences")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 1, 128])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = BertForSequenceClassification.from_pretrained(arguments.folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(arguments.seed)
    sequences = random_sequences(
        arguments.lengths, model.config.vocab_size, model.config.type_vocab_size, generator
    )
    labels = torch.randint(0, model.config.num_labels, (len(arguments.lengths),), generator=generator)
    exact = run_model(model, sequences, labels, "float64")
    found = {precision: errors(run_model(model, sequences, labels, precision), exact) for precision in ("float32", "bf16")}
    save_reference(arguments.output, "reference", sequences, labels, exact, None, lambda name: True)
    (arguments.output / "reference.json").write_text(json.dumps({"errors": found}))


if __name__ == "__main__":
    main()
