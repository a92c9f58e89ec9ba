"""Writes packages/bert/test/fixtures: small random BERT folders and what Hugging Face computes with them. One command, no arguments:

    .venv/bin/python python/make_fixtures.py

The formats are described in the fixtures' README.md, which this script does not write; seeds and versions go into manifest.json.
"""

import json
import pathlib
import platform
import shutil
import sys

import numpy
import safetensors
import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from transformers import BertForSequenceClassification, BertModel, BertTokenizerFast

from fixture_files import FIXTURES, save_reference, write_json, write_model
from reference import (
    errors,
    make_model,
    pad,
    random_lengths,
    random_sequences,
    run_model,
    take,
)
from training import make_optimizer, make_schedule, numbers, train_step

BASE_SEED = 20240

MODELS = {
    # D = 16; the one with a tokenizer, end-to-end predictions and final weights of training runs.
    "tiny": dict(
        architecture="classification", lengths=[7, 1, 48, 3, 17, 2], vocab_size=96, hidden_size=32, num_attention_heads=2,
        num_hidden_layers=2, intermediate_size=64, max_position_embeddings=48, type_vocab_size=2, num_labels=2,
        id2label={0: "neg", 1: "pos"}, label2id={"neg": 0, "pos": 1},
    ),
    # Nothing is a multiple of anything: H = 60, A = 3, D = 20, F = 97, V = 131.
    "odd": dict(
        architecture="classification", lengths=[31, 50, 1, 5], vocab_size=131, hidden_size=60, num_attention_heads=3,
        num_hidden_layers=2, intermediate_size=97, max_position_embeddings=64, type_vocab_size=2, num_labels=3,
    ),
    "head-width-32": dict(
        architecture="classification", lengths=[12, 5, 1, 33], vocab_size=24, hidden_size=64, num_attention_heads=2,
        num_hidden_layers=1, intermediate_size=24, max_position_embeddings=33, type_vocab_size=1, num_labels=2,
    ),
    "head-width-64": dict(
        architecture="classification", lengths=[2, 33, 1, 12], vocab_size=24, hidden_size=64, num_attention_heads=1,
        num_hidden_layers=1, intermediate_size=24, max_position_embeddings=33, type_vocab_size=2, num_labels=3,
    ),
    "masked-lm": dict(
        architecture="masked-lm", lengths=[12, 1, 31, 6], vocab_size=67, hidden_size=32, num_attention_heads=2,
        num_hidden_layers=1, intermediate_size=48, max_position_embeddings=32, type_vocab_size=2,
    ),
    # One set of weights in every layout that a checkpoint may have.
    "mini": dict(
        architecture="classification", lengths=[5, 1, 16], vocab_size=40, hidden_size=16, num_attention_heads=2,
        num_hidden_layers=2, intermediate_size=24, max_position_embeddings=16, type_vocab_size=2, num_labels=2,
    ),
    "mini-pretraining": dict(
        architecture="pretraining", lengths=[5, 1, 16], vocab_size=40, hidden_size=16, num_attention_heads=2,
        num_hidden_layers=2, intermediate_size=24, max_position_embeddings=16, type_vocab_size=2,
    ),
}

TRAJECTORIES = {
    "decay": dict(
        learning_rate=2e-3, weight_decay=0.01, max_gradient_norm=1.0, scheduler="linear", warmup_steps=3, batch_size=4, steps=10
    ),
    "plain": dict(
        learning_rate=5e-4, weight_decay=0.0, max_gradient_norm=0.0, scheduler="constant", warmup_steps=0, batch_size=4, steps=10
    ),
}

TEXTS = [
    "A good movie, a great cast.",
    "the plot was bad and the acting was worse!",
    "",
    "Unbelievably good \u2014 10/10",
    "na\u00efve caf\u00e9, not bad at all; " * 6,
    ["was the movie good?", "the cast was great"],
]


def make_reference(name, seed):
    """model/, reference.safetensors and reference.json, and the same at bf16 precision, of one entry of MODELS."""
    spec = dict(MODELS[name])
    architecture, lengths = spec.pop("architecture"), spec.pop("lengths")
    model = make_model(architecture, seed, **spec)
    write_model(model, FIXTURES / name / "model")
    generator = torch.Generator().manual_seed(seed + 1)
    sequences = random_sequences(lengths, spec["vocab_size"], spec["type_vocab_size"], generator)
    labels = make_labels(architecture, sequences, spec, generator)
    exact = run_model(model, sequences, labels, "float64")
    single = run_model(model, sequences, labels, "float32")
    for key, gradient in exact.items():
        assert not key.startswith("grad.") or key.endswith("key.bias") or gradient.norm() > 1e-4, f"{key} of {name} says nothing"
    save_reference(FIXTURES / name, "reference", sequences, labels, exact, single, keep=lambda _: True, padded=True)
    write_json(
        FIXTURES / name / "reference.json",
        {
            "seed": seed,
            "loss": exact["loss"].item() if "loss" in exact else None,
            "float32Errors": errors(single, exact),
        },
    )
    if not name.startswith("mini"):
        make_bf16(name, model, spec, architecture, torch.Generator().manual_seed(seed + 2))
    return model


def make_labels(architecture, sequences, spec, generator):
    if architecture == "classification":
        return torch.randint(0, spec["num_labels"], (len(sequences["cu"]) - 1,), generator=generator)
    if architecture == "masked-lm":
        ids = sequences["ids"]
        chosen = torch.rand(ids.shape, generator=generator) < 0.3
        return torch.where(chosen, torch.randint(5, spec["vocab_size"], ids.shape, generator=generator), -100)
    return None


def make_bf16(name, model, spec, architecture, generator):
    """How far bfloat16 autocast of Hugging Face is from float64, over many sequences so that luck averages out."""
    count = 6 if architecture == "masked-lm" else 64  # (N, V) logits are large
    lengths = random_lengths(count, spec["max_position_embeddings"], generator)
    sequences = random_sequences(lengths, spec["vocab_size"], spec["type_vocab_size"], generator)
    labels = make_labels(architecture, sequences, spec, generator)
    exact = run_model(model, sequences, labels, "float64")
    results = {}
    for attention in ("sdpa", "eager"):
        model.set_attn_implementation(attention)
        results[attention] = run_model(model, sequences, labels, "bf16")
    model.set_attn_implementation("sdpa")
    save_reference(
        FIXTURES / name, "bf16", sequences, labels, exact, None, keep=lambda key: key in ("logits", "loss")
    )
    write_json(
        FIXTURES / name / "bf16.json",
        {
            "loss": exact["loss"].item(),
            "autocastErrors": {attention: errors(result, exact) for attention, result in results.items()},
        },
    )


def make_trajectory(name, model_folder, run, options, sequences, labels, keep_weights):
    """Ten AdamW steps over rows in order, in float64 and in float32; losses, rates and norms of both, and the float64 run's weights."""
    steps = {}
    final = {}
    for precision in ("float64", "float32"):
        model = BertForSequenceClassification.from_pretrained(model_folder, dtype=torch.float32).train()
        model = model.double() if precision == "float64" else model
        optimizer = make_optimizer(model, options["learning_rate"], options["weight_decay"])
        schedule = make_schedule(optimizer, options["scheduler"], options["warmup_steps"], options["steps"])
        steps[precision] = []
        for step in range(options["steps"]):
            first = step * options["batch_size"]
            last = first + options["batch_size"]
            batch = pad(take(sequences, first, last)) | {"labels": labels[first:last]}
            log = numbers(train_step(model, optimizer, schedule, [batch], options["max_gradient_norm"]))
            steps[precision].append({"step": step + 1, **log})
        final[precision] = {key: value.detach().double() for key, value in model.named_parameters()}
    folder = FIXTURES / name
    write_json(
        folder / f"trajectory-{run}.json",
        {
            "settings": {
                "learningRate": options["learning_rate"],
                "weightDecay": options["weight_decay"],
                "maxGradientNorm": options["max_gradient_norm"],
                "scheduler": options["scheduler"],
                "warmupSteps": options["warmup_steps"],
                "batchSize": options["batch_size"],
                "steps": options["steps"],
                "adamBeta1": 0.9,
                "adamBeta2": 0.999,
                "adamEpsilon": 1e-8,
                "noDecay": ["*bias", "*LayerNorm.*"],
            },
            "steps": steps["float64"],
            "float32Steps": steps["float32"],
            # Key biases have no true gradient: AdamW divides their noise by its own size, so they walk at random, without any effect.
            "float32WeightErrors": {
                key: error for key, error in errors(final["float32"], final["float64"]).items() if not key.endswith("key.bias")
            },
        },
    )
    if keep_weights:
        save_file({key: value.float() for key, value in final["float64"].items()}, folder / f"trajectory-{run}.safetensors")
    worst = max(abs(b["loss"] - a["loss"]) / a["loss"] for a, b in zip(steps["float64"], steps["float32"]))
    print(f"  {name} {run}: losses {[round(s['loss'], 4) for s in steps['float64']]}, float32 off by {worst:.1e}", file=sys.stderr)


def make_rows(name, seed):
    """The rows that a model's training runs take in order: rows.safetensors."""
    spec = MODELS[name]
    generator = torch.Generator().manual_seed(seed)
    lengths = random_lengths(40, spec["max_position_embeddings"], generator)
    lengths[5] = 1
    sequences = random_sequences(lengths, spec["vocab_size"], spec["type_vocab_size"], generator)
    labels = torch.randint(0, spec["num_labels"], (40,), generator=generator)
    save_reference(FIXTURES / name, "rows", sequences, labels, {}, None, keep=lambda _: False)
    return sequences, labels


def make_tokenizer(folder):
    """A vocabulary of the size of `tiny`'s, saved by Hugging Face as vocabulary, tokenizer.json and settings."""
    words = "the good bad movie was and plot cast great not all at".split()
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokens += [*letters, *(f"##{letter}" for letter in letters), *"0123456789", *".,!?;-/'\"()", "##0", "##1", "##ing", "##ly", "10"]
    tokens += [f"[unused{i}]" for i in range(MODELS["tiny"]["vocab_size"] - len(tokens))]
    assert len(tokens) == len(set(tokens)) == MODELS["tiny"]["vocab_size"]
    tokenizer = BertTokenizerFast(
        vocab={token: id for id, token in enumerate(tokens)}, do_lower_case=True, model_max_length=MODELS["tiny"]["max_position_embeddings"]
    )
    tokenizer.save_pretrained(folder)
    # transformers 5 saves tokenizer.json alone; folders of earlier versions have the vocabulary beside it.
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    return tokenizer


def make_texts(folder, tokenizer):
    """Texts with their ids and logits: from a string to a prediction."""
    model = BertForSequenceClassification.from_pretrained(folder / "model", dtype=torch.float32).double().eval()
    rows = []
    for text in TEXTS:
        arguments = text if isinstance(text, list) else [text]
        encoded = tokenizer(*arguments, truncation=True, return_tensors="pt")
        with torch.no_grad():
            logits = model(**encoded).logits[0]
        rows.append({"text": text, "ids": encoded["input_ids"][0].tolist(), "tokenTypeIds": encoded["token_type_ids"][0].tolist(),
                     "logits": logits.tolist(), "scores": logits.softmax(-1).tolist()})
    write_json(folder / "texts.json", {"maxLength": tokenizer.model_max_length, "rows": rows})


def make_layouts(model):
    """mini's weights sharded, without a head's prefix, and under the names of the first checkpoints."""
    source = FIXTURES / "mini"
    write_model(model, FIXTURES / "mini-sharded" / "model", max_shard_size="8KB")
    bare = BertModel.from_pretrained(source / "model", dtype=torch.float32)
    write_model(bare, FIXTURES / "mini-bare" / "model")
    old = FIXTURES / "mini-old-names" / "model"
    write_model(model, old)
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor.detach().contiguous()
        for name, tensor in model.state_dict().items()
    }
    tensors["bert.embeddings.position_ids"] = torch.arange(model.config.max_position_embeddings).unsqueeze(0)
    save_file(tensors, old / "model.safetensors", metadata={"format": "pt"})
    for layout in ("mini-sharded", "mini-old-names"):
        loaded = BertForSequenceClassification.from_pretrained(FIXTURES / layout / "model", dtype=torch.float32)
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, loaded.state_dict()[name]), f"Hugging Face reads {name} of {layout} differently"
    for name, tensor in model.bert.state_dict().items():
        assert torch.equal(tensor, bare.state_dict()[name]), f"Hugging Face reads {name} of mini-bare differently"


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in (*MODELS, "mini-sharded", "mini-bare", "mini-old-names"):
        shutil.rmtree(FIXTURES / name, ignore_errors=True)
    seeds = {}
    for index, name in enumerate(MODELS):
        seeds[name] = BASE_SEED + 100 * index
        print(f"{name} (seed {seeds[name]})", file=sys.stderr)
        model = make_reference(name, seeds[name])
        if name in ("tiny", "odd"):
            sequences, labels = make_rows(name, seeds[name] + 3)
            for run, options in TRAJECTORIES.items():
                make_trajectory(name, FIXTURES / name / "model", run, options, sequences, labels, keep_weights=(name, run) == ("tiny", "decay"))
        if name == "tiny":
            make_texts(FIXTURES / name, make_tokenizer(FIXTURES / name / "model"))
        if name == "mini":
            make_layouts(model)
    write_json(
        FIXTURES / "manifest.json",
        {
            "command": "python python/make_fixtures.py",
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "tokenizers": tokenizers.__version__,
                "safetensors": safetensors.__version__,
                "numpy": numpy.__version__,
            },
            "cpuCapability": torch.backends.cpu.get_cpu_capability(),
            "seeds": seeds,
            "models": MODELS,
        },
    )
    size = sum(file.stat().st_size for file in pathlib.Path(FIXTURES).rglob("*") if file.is_file())
    print(f"{size / 1e6:.2f} MB in {FIXTURES}", file=sys.stderr)
    assert size < 2_000_000, "the fixtures together are to stay under 2 MB"


if __name__ == "__main__":
    main()
