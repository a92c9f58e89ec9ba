"""Runs Hugging Face's classifier on batches when told to: PyTorch as a contender of benchmarks/inference (see benchmarks/lib/contender.mjs).

    .venv/bin/python python/infer_loop.py --model FOLDER --rows rows.safetensors --batch-size 8 --dtype fp32

Answers {"run": n} with the seconds of n batches, {"answer": true} with the logits of every row, {"quit": true} by ending.
"""

import argparse
import json
import platform
import sys

import torch
import transformers
from transformers import BertForSequenceClassification

from rows import read_rows
from training import autocast, peak_memory_bytes, timed


def parse_arguments():
    parser = argparse.ArgumentParser(description="run BERT with Hugging Face and PyTorch")
    parser.add_argument("--model", required=True, help="a Hugging Face folder")
    parser.add_argument("--rows", required=True, help="packed token ids in safetensors (see rows.py)")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int)
    parser.add_argument(
        "--dtype", choices=["fp32", "bf16", "bf16-weights", "int8"], default="fp32", help="bf16: autocast; int8: dynamic quantization"
    )
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--quantized-engine", choices=["x86", "fbgemm", "onednn"], default="x86")
    parser.add_argument(
        "--compile", nargs="?", const="default", choices=["default", "reduce-overhead"], help="torch.compile the model, in this mode"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument(
        "--matmul-precision", choices=["ieee", "bf16"], default="ieee", help="bf16: float32 products may round their operands to bfloat16"
    )
    return parser.parse_args()


def load_model(arguments):
    weights = torch.bfloat16 if arguments.dtype == "bf16-weights" else torch.float32
    model = BertForSequenceClassification.from_pretrained(
        arguments.model, dtype=weights, attn_implementation=arguments.attention
    ).eval()
    if arguments.dtype == "int8":
        torch.backends.quantized.engine = arguments.quantized_engine
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    model = model.to(arguments.device)
    return torch.compile(model, mode=arguments.compile) if arguments.compile else model


class Loop:
    def __init__(self, arguments, model, rows):
        self.arguments, self.model = arguments, model
        # Made once: what is timed is the model.
        size = arguments.batch_size
        self.batches = [rows.batch(range(first, first + size)) for first in range(0, len(rows) - size + 1, size)]
        for batch in self.batches:
            batch.pop("labels", None)
            batch.update({name: tensor.to(arguments.device) for name, tensor in batch.items()})
        self.next = 0

    def forward(self, batch):
        device = batch["input_ids"].device.type
        with torch.inference_mode(), autocast("bf16" if self.arguments.dtype == "bf16" else "fp32", device):
            return self.model(**batch).logits.float().cpu()

    def step(self):
        batch = self.batches[self.next % len(self.batches)]
        self.next += 1
        return timed(lambda: self.forward(batch))[1]

    def answer(self):
        return torch.cat([self.forward(batch) for batch in self.batches]).tolist()


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    arguments = parse_arguments()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    torch.backends.mkldnn.matmul.fp32_precision = arguments.matmul_precision
    loop = Loop(arguments, load_model(arguments), read_rows(arguments.rows, arguments.model, 512))
    answer(
        {
            "ready": True,
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__},
            "environment": {"threads": torch.get_num_threads(), "cpuCapability": torch.backends.cpu.get_cpu_capability()},
        }
    )
    for line in sys.stdin:
        command = json.loads(line)
        if command.get("quit"):
            answer({"quit": True})
            break
        if command.get("answer"):
            answer({"logits": loop.answer()})
            continue
        seconds = [loop.step() for _ in range(command["run"])]
        answer({"seconds": seconds, "peakMemoryBytes": peak_memory_bytes(arguments.device)})


if __name__ == "__main__":
    main()
