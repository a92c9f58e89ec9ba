"""Where fixtures lie and how their files are written."""

import json
import pathlib
import re

from safetensors.torch import save_file

from reference import pad

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "packages" / "bert" / "test" / "fixtures"


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    # Lists of numbers go on one line.
    text = re.sub(r"\[\s*(-?[\d.][^\[\]{}\"]*?)\s*\]", lambda match: "[" + re.sub(r"\s+", " ", match[1]) + "]", text)
    path.write_text(text + "\n", encoding="utf-8")


def write_model(model, folder, **options):
    """The folder as Hugging Face saves it."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, **options)


def save_reference(folder, stem, sequences, labels, exact, single, keep, padded=False):
    """{stem}.safetensors: the packed inputs, the float64 results `keep` chooses rounded to float32, and the float32 results as `f32.*`.

    Of the float32 run only what is small is kept: of its hidden states and gradients reference.json has the errors, which is all that a
    tolerance needs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        "packed.input_ids": sequences["ids"].int(),
        "packed.token_type_ids": sequences["types"].int(),
        "packed.cu_seqlens": sequences["cu"].int(),
    }
    if padded:
        tensors |= {f"padded.{name}": tensor.int() for name, tensor in pad(sequences).items()}
    if labels is not None:
        tensors["labels"] = labels.int()
    for name, value in exact.items():
        if keep(name):
            tensors[name] = value.float()
    for name, value in (single or {}).items():
        if keep(name) and not name.startswith(("grad.", "hidden_states.")):
            tensors[f"f32.{name}"] = value.float()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / f"{stem}.safetensors")
