"""What a fine-tuning step is, written once: the fixtures' trajectories and train_loop.py both take their steps here.

The rules are those of Hugging Face's Trainer with its default optimizer (adamw_torch): no weight decay on biases and LayerNorm, the
gradient norm clipped over all parameters together, a schedule that is stepped after the optimizer (so a linear warm-up starts at rate 0).
"""

import contextlib
import time

import torch
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)


def parameter_groups(model, weight_decay):
    """Every trainable parameter in exactly one of two groups: decayed, or a bias or LayerNorm parameter."""
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    exempt = {name for name, _ in trainable if "bias" in name or "LayerNorm" in name}
    return [
        {"params": [p for name, p in trainable if name not in exempt], "weight_decay": weight_decay},
        {"params": [p for name, p in trainable if name in exempt], "weight_decay": 0.0},
    ]


def make_optimizer(model, learning_rate, weight_decay, fused=False):
    return torch.optim.AdamW(
        parameter_groups(model, weight_decay), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=fused
    )


def make_schedule(optimizer, name, warmup_steps, total_steps):
    if name == "constant":
        return get_constant_schedule_with_warmup(optimizer, warmup_steps)
    if name == "cosine":
        return get_cosine_schedule_with_warmup(optimizer, warmup_steps, total_steps)
    return get_linear_schedule_with_warmup(optimizer, warmup_steps, total_steps)


def set_dropout(config, probability):
    """Overrides every dropout of a BERT configuration, the classifier's included."""
    config.hidden_dropout_prob = probability
    config.attention_probs_dropout_prob = probability
    if hasattr(config, "classifier_dropout"):
        config.classifier_dropout = None  # None means: hidden_dropout_prob


def autocast(dtype, device="cpu"):
    return torch.autocast(device, torch.bfloat16) if dtype == "bf16" else contextlib.nullcontext()


def train_step(model, optimizer, schedule, micro_batches, max_gradient_norm, dtype="fp32"):
    """One optimizer step over one or more micro-batches, each a dict of the model's keyword arguments.

    Returns the mean loss over the rows, the rate that this step used, and the gradient norm before clipping (`max_gradient_norm` 0: not
    clipped, as in Hugging Face's Trainer; the norm is measured all the same). Loss and norm are tensors: who reads them waits for a GPU.
    """
    rows = sum(len(batch["labels"]) for batch in micro_batches)
    loss_sum = 0.0
    for batch in micro_batches:
        share = len(batch["labels"]) / rows
        with autocast(dtype, batch["labels"].device.type):
            loss = model(**batch).loss
        (loss * share).backward()
        loss_sum = loss_sum + loss.detach().double() * share
    limit = max_gradient_norm if max_gradient_norm > 0 else float("inf")
    norm = torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], limit)
    rate = schedule.get_last_lr()[0]
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    return {"loss": loss_sum, "learningRate": rate, "gradientNorm": norm}


def numbers(log):
    """A step's log with its tensors read."""
    return {key: value.item() if isinstance(value, torch.Tensor) else value for key, value in log.items()}


def peak_memory_bytes(device="cpu"):
    """The most memory that this process ever held: resident (VmHWM of /proc/self/status), or of tensors on a GPU."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated()
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def timed(work, device="cpu"):
    start = time.perf_counter()
    result = work()
    if device != "cpu":
        torch.cuda.synchronize()
    return result, time.perf_counter() - start
