"""Exports a classifier's folder to ONNX in the forms that onnxruntime may run fastest, beside one another:

    .venv/bin/python python/export_onnx.py --model .models/random-base --output .models/random-base-onnx

- <output>/plain/onnx/model.onnx: as PyTorch exports it, batch and length free;
- <output>/fused/onnx/model.onnx: after onnxruntime.transformers' optimizer, which fuses attention, GELU and LayerNorm with their neighbours;
- model_quantized.onnx beside each: dynamic int8 by onnxruntime.quantization, weights per output channel; in plain-tensor and fused-tensor one
  scale for each weight.

Each folder is what transformers.js takes, too, with config.json and the tokenizer's files. Does nothing when the output is complete. Prints
the folder.
"""

import argparse
import json
import logging
import pathlib
import shutil
import sys
import warnings

import onnx
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from transformers import BertForSequenceClassification

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class Logits(torch.nn.Module):
    """The model with positional inputs and one output, as the exporter wants it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits


def export(folder, path):
    # Eager attention: the pattern that the optimizer knows.
    model = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    example = tuple(torch.ones((2, 16), dtype=torch.long) for _ in INPUTS)
    free = {0: "batch", 1: "length"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits(model),
            example,
            path,
            input_names=INPUTS,
            output_names=["logits"],
            dynamic_axes={**{name: free for name in INPUTS}, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    onnx.checker.check_model(path)
    return model.config


def fuse(source, path, config):
    options = FusionOptions("bert")
    model = optimizer.optimize_model(
        source,
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=options,
        opt_level=0,
    )
    model.save_model_to_file(path)
    fused = model.get_fused_operator_statistics()
    if fused.get("Attention", 0) + fused.get("MultiHeadAttention", 0) != config.num_hidden_layers:
        raise SystemExit(f"the optimizer did not fuse the attention of all layers: {fused}")
    return fused


def quantize(source, path, per_channel):
    # The outputs of fused operators have no shape inference; all there is are floats.
    extra = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(source, path, weight_type=QuantType.QInt8, per_channel=per_channel, extra_options=extra)


def complete(folder, source):
    """What transformers.js reads beside onnx/."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)


def main():
    parser = argparse.ArgumentParser(description="export a classifier to ONNX")
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    if not arguments.output.exists():
        print(f"exporting {arguments.model.name} to ONNX", file=sys.stderr)
        logging.getLogger().setLevel(logging.ERROR)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        part = arguments.output.with_name(f"{arguments.output.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        for name in ("plain", "plain-tensor", "fused", "fused-tensor"):
            (part / name / "onnx").mkdir(parents=True)
            complete(part / name, arguments.model)
        model = {name: part / name / "onnx" / "model.onnx" for name in ("plain", "fused")}
        config = export(str(arguments.model), str(model["plain"]))
        fused = fuse(str(model["plain"]), str(model["fused"]), config)
        for name in ("plain", "fused"):
            for per_channel, suffix in ((True, ""), (False, "-tensor")):
                quantize(str(model[name]), str(part / f"{name}{suffix}" / "onnx" / "model_quantized.onnx"), per_channel)
        (part / "fused.json").write_text(json.dumps(fused))
        part.rename(arguments.output)
    print(arguments.output)


if __name__ == "__main__":
    main()
