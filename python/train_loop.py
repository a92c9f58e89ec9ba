"""Fine-tunes with Hugging Face and PyTorch in a plain loop whose flags are those of `bert finetune`: the reference that losses are checked
against, and the contender that throughput is measured against.

    .venv/bin/python python/train_loop.py --model FOLDER --rows rows.jsonl --batch-size 8 --steps 10 --dropout 0 --order sequential

Prints one JSON document on stdout, its `train` as `bert finetune --json` has it, with the seconds of each step besides. With --interactive
it reads commands from stdin instead, one JSON document a line, and answers each with one line: {"run": 4} takes four steps,
{"quit": true} ends it; so a benchmark can let contenders take turns.
"""

import argparse
import json
import math
import platform
import sys

import torch
import transformers
from transformers import AutoConfig, BertForSequenceClassification

from rows import read_rows
from training import autocast, make_optimizer, make_schedule, numbers, peak_memory_bytes, set_dropout, timed, train_step


def parse_arguments():
    parser = argparse.ArgumentParser(description="fine-tune BERT with Hugging Face and PyTorch")
    parser.add_argument("--model", required=True, help="a Hugging Face folder")
    parser.add_argument("--rows", required=True, help="JSONL with text and label, or packed token ids in safetensors (see rows.py)")
    parser.add_argument("--eval-rows", help="rows to evaluate on after training")
    parser.add_argument("--output", help="folder to save the trained model in")
    parser.add_argument("--num-labels", type=int, help="classes, where the folder has no head for them")
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--eval-batch-size", type=int, default=8)
    parser.add_argument("--gradient-accumulation", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, help="optimizer steps, instead of epochs")
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--max-gradient-norm", type=float, default=1.0, help="0: do not clip")
    parser.add_argument("--scheduler", choices=["linear", "constant", "cosine"], default="linear")
    parser.add_argument("--warmup-steps", type=int, default=0)
    parser.add_argument("--warmup-ratio", type=float, default=0.0)
    parser.add_argument("--freeze", action="store_true", help="train the classifier alone, above a frozen encoder")
    parser.add_argument("--dropout", type=float, help="overrides the configuration's probabilities")
    parser.add_argument("--order", choices=["sequential", "shuffled"], default="shuffled")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32", help="bf16: autocast over float32 weights")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--fused-adamw", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--compile", nargs="?", const="default", choices=["default", "reduce-overhead"], help="torch.compile the model, in this mode"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument(
        "--matmul-precision", choices=["ieee", "bf16"], default="ieee", help="bf16: float32 products may round their operands to bfloat16"
    )
    parser.add_argument("--pad", choices=["longest", "max"], default="longest")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--interactive", action="store_true", help="take commands from stdin")
    return parser.parse_args()


def load_model(arguments):
    config = AutoConfig.from_pretrained(arguments.model)
    if arguments.num_labels is not None:
        config.num_labels = arguments.num_labels
    if arguments.dropout is not None:
        set_dropout(config, arguments.dropout)
    model = BertForSequenceClassification.from_pretrained(
        arguments.model, config=config, dtype=torch.float32, attn_implementation=arguments.attention
    )
    model.bert.requires_grad_(not arguments.freeze)
    return model.to(arguments.device)


def row_order(count, arguments):
    """Row indices, epoch after epoch without end."""
    generator = torch.Generator().manual_seed(arguments.seed)
    while True:
        yield torch.randperm(count, generator=generator).tolist() if arguments.order == "shuffled" else list(range(count))


class Loop:
    """A fine-tuning run that is advanced a step at a time."""

    def __init__(self, arguments, model, rows):
        self.arguments, self.rows = arguments, rows
        self.model = torch.compile(model, mode=arguments.compile) if arguments.compile else model
        self.model.train()
        self.rows_per_step = arguments.batch_size * arguments.gradient_accumulation
        self.steps = arguments.steps or arguments.epochs * math.ceil(len(rows) / self.rows_per_step)
        warmup = arguments.warmup_steps or math.ceil(arguments.warmup_ratio * self.steps)
        self.optimizer = make_optimizer(model, arguments.learning_rate, arguments.weight_decay, arguments.fused_adamw)
        self.schedule = make_schedule(self.optimizer, arguments.scheduler, warmup, self.steps)
        self.chunks = self._chunks()
        self.batches = {}
        self.log, self.samples, self.tokens, self.padded_tokens = [], 0, 0, 0

    def _chunks(self):
        for order in row_order(len(self.rows), self.arguments):
            for first in range(0, len(order), self.rows_per_step):
                yield order[first : first + self.rows_per_step]

    def _batch(self, indices):
        """Rows on the device. Where they come back in the same batches they are kept: what is timed is the model."""
        key = tuple(indices)
        if key in self.batches:
            return self.batches[key]
        batch = self.rows.batch(indices, self.arguments.max_length if self.arguments.pad == "max" else None)
        batch = {name: tensor.to(self.arguments.device) for name, tensor in batch.items()}
        if self.arguments.order == "sequential":
            self.batches[key] = batch
        return batch

    def step(self):
        """A step's log. On a GPU its seconds are those of launching it: only those of several steps together mean something there."""
        chunk = next(self.chunks)
        size = self.arguments.batch_size

        def work():
            batches = [self._batch(chunk[i : i + size]) for i in range(0, len(chunk), size)]
            log = train_step(
                self.model, self.optimizer, self.schedule, batches, self.arguments.max_gradient_norm, self.arguments.dtype
            )
            return log, sum(batch["input_ids"].numel() for batch in batches)

        (log, padded), seconds = timed(work)
        self.samples += len(chunk)
        self.tokens += self.rows.tokens(chunk)
        self.padded_tokens += padded
        self.log.append({"step": len(self.log) + 1, **log, "seconds": seconds})
        return self.log[-1]

    def summary(self):
        log = [numbers(entry) for entry in self.log]
        seconds = sum(entry["seconds"] for entry in log)
        return {
            "rows": len(self.rows),
            "steps": len(self.log),
            "epochs": self.samples / len(self.rows),
            "tokens": self.tokens,
            "paddedTokens": self.padded_tokens,
            "seconds": seconds,
            "samplesPerSecond": self.samples / seconds if seconds else None,
            "tokensPerSecond": self.tokens / seconds if seconds else None,
            "peakMemoryBytes": peak_memory_bytes(self.arguments.device),
            "log": log,
        }


def evaluate(model, rows, arguments):
    model.eval()
    correct, loss = 0, 0.0
    with torch.no_grad():
        for first in range(0, len(rows), arguments.eval_batch_size):
            batch = rows.batch(range(first, min(first + arguments.eval_batch_size, len(rows))))
            batch = {name: tensor.to(arguments.device) for name, tensor in batch.items()}
            with autocast(arguments.dtype, torch.device(arguments.device).type):
                output = model(**batch)
            correct += (output.logits.argmax(-1) == batch["labels"]).sum().item()
            loss += output.loss.item() * len(batch["labels"])
    return {"rows": len(rows), "accuracy": correct / len(rows), "loss": loss / len(rows)}


def environment():
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "environment": {
            "threads": torch.get_num_threads(),
            "cpuCapability": torch.backends.cpu.get_cpu_capability(),
        },
    }


def answer(value):
    print(json.dumps(value), flush=True)


def serve(loop):
    """Takes commands until told to quit or stdin ends."""
    answer({"ready": True, **environment()})
    for line in sys.stdin:
        command = json.loads(line)
        if command.get("quit"):
            break
        device = loop.arguments.device
        steps, seconds = timed(lambda: [loop.step() for _ in range(command["run"])], device)
        answer({"steps": [numbers(step) for step in steps], "seconds": seconds, "peakMemoryBytes": peak_memory_bytes(device)})
    answer({"quit": True, "train": loop.summary()})


def main():
    arguments = parse_arguments()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    torch.backends.mkldnn.matmul.fp32_precision = arguments.matmul_precision
    torch.manual_seed(arguments.seed)
    model = load_model(arguments)
    rows = read_rows(arguments.rows, arguments.model, arguments.max_length, model.config.label2id)
    loop = Loop(arguments, model, rows)
    if arguments.interactive:
        serve(loop)
        return
    for _ in range(loop.steps):
        loop.step()
    result = {**environment(), "settings": vars(arguments), "train": loop.summary()}
    if arguments.eval_rows is not None:
        eval_rows = read_rows(arguments.eval_rows, arguments.model, arguments.max_length, model.config.label2id)
        result["eval"] = evaluate(model, eval_rows, arguments)
    if arguments.output is not None:
        model.save_pretrained(arguments.output)
    answer(result)


if __name__ == "__main__":
    main()
