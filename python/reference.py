"""Random BERT models with informative weights, and what Hugging Face computes with them, in float64, float32 and bfloat16 autocast.

Sequences are kept packed, without padding: `ids` (N), `types` (N) and `cu` (B + 1), where sequence b is tokens cu[b] .. cu[b + 1]. They are
padded only for the call of the model; what comes back is packed again, so nothing here depends on what a model computes at padding.
"""

import copy

import torch
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification, BertModel

from training import autocast

ARCHITECTURES = {
    "classification": BertForSequenceClassification,
    "masked-lm": BertForMaskedLM,
    "pretraining": BertForPreTraining,
    "bare": BertModel,
}

PAD, UNK, CLS, SEP, MASK = range(5)
FIRST_WORD = 5


def make_model(architecture, seed, **config):
    """A BERT in eval mode with dropout 0. Hugging Face starts biases at 0 and LayerNorm weights at 1, where a forgotten or swapped one goes
    unseen: here every parameter is random, scaled so that activations, attention scores and logits stay of order one."""
    torch.manual_seed(seed)
    model = ARCHITECTURES[architecture](
        BertConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **config)
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("LayerNorm.weight"):
                parameter.copy_(1.0 + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.2 * noise)
            elif "embeddings" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(1.1 / parameter.shape[1] ** 0.5 * noise)
    return model.eval()


def random_sequences(lengths, vocab_size, type_vocab_size, generator):
    """[CLS] words [SEP] words [SEP], with token type 1 from a random place on; a sequence of one token is [CLS] alone."""
    ids, types, cu = [], [], [0]
    for length in lengths:
        row = torch.randint(FIRST_WORD, vocab_size, (length,), generator=generator)
        row[0] = CLS
        if length > 1:
            row[-1] = SEP
        boundary = int(torch.randint(1, length + 1, (1,), generator=generator))
        kind = torch.zeros(length, dtype=torch.long)
        if type_vocab_size > 1:
            kind[boundary:] = 1
            if 1 < boundary < length:
                row[boundary - 1] = SEP
        ids.append(row)
        types.append(kind)
        cu.append(cu[-1] + length)
    return {"ids": torch.cat(ids), "types": torch.cat(types), "cu": torch.tensor(cu)}


def random_lengths(count, longest, generator):
    return torch.randint(1, longest + 1, (count,), generator=generator).tolist()


def take(sequences, first, last):
    """The sequences first .. last - 1 of a packed batch."""
    cu = sequences["cu"]
    tokens = slice(int(cu[first]), int(cu[last]))
    return {
        "ids": sequences["ids"][tokens],
        "types": sequences["types"][tokens],
        "cu": cu[first : last + 1] - cu[first],
    }


def pad(sequences, length=None):
    """Packed sequences as Hugging Face's input_ids, attention_mask and token_type_ids, each (B, S)."""
    cu = sequences["cu"].tolist()
    count = len(cu) - 1
    longest = length or max((cu[b + 1] - cu[b] for b in range(count)), default=0)
    padded = {
        "input_ids": torch.full((count, longest), PAD),
        "attention_mask": torch.zeros((count, longest), dtype=torch.long),
        "token_type_ids": torch.zeros((count, longest), dtype=torch.long),
    }
    for b in range(count):
        size = cu[b + 1] - cu[b]
        padded["input_ids"][b, :size] = sequences["ids"][cu[b] : cu[b + 1]]
        padded["token_type_ids"][b, :size] = sequences["types"][cu[b] : cu[b + 1]]
        padded["attention_mask"][b, :size] = 1
    return padded


def run_model(model, sequences, labels, precision):
    """Forward and backward in "float64", "float32" or "bf16" (autocast). Outputs are packed; gradients are by parameter name.

    `labels` is (B) for classification and (N), packed, with -100 where no loss is taken, for masked language modelling; None: no loss.
    """
    model = copy.deepcopy(model)
    model = model.double() if precision == "float64" else model.float()
    inputs = pad(sequences)
    mask = inputs["attention_mask"].bool()
    if labels is not None:
        if isinstance(model, BertForMaskedLM):
            inputs["labels"] = torch.full(mask.shape, -100)
            inputs["labels"][mask] = labels
        else:
            inputs["labels"] = labels
    base = model if isinstance(model, BertModel) else model.bert
    captured = {}
    if base.pooler is not None:
        base.pooler.register_forward_hook(lambda _module, _inputs, output: captured.update(pooler_output=output))
    with autocast("bf16" if precision == "bf16" else "fp32"):
        output = model(**inputs, output_hidden_states=True)
    result = {f"hidden_states.{i}": h[mask] for i, h in enumerate(output.hidden_states)}
    if "pooler_output" in captured:
        result["pooler_output"] = captured["pooler_output"]
    if isinstance(model, BertForSequenceClassification):
        result["logits"] = output.logits
    elif isinstance(model, BertForMaskedLM):
        result["logits"] = output.logits[mask]
    elif isinstance(model, BertForPreTraining):
        result["prediction_logits"] = output.prediction_logits[mask]
        result["seq_relationship_logits"] = output.seq_relationship_logits
    if labels is not None:
        output.loss.backward()
        result["loss"] = output.loss.reshape(1)
        for name, parameter in model.named_parameters():
            zero = parameter.grad is None or (precision == "float64" and name.endswith("key.bias"))  # see errors()
            result[f"grad.{name}"] = torch.zeros_like(parameter) if zero else parameter.grad
    return {name: tensor.detach().double() for name, tensor in result.items()}


def normalised_error(value, reference, scale=None):
    """‖value − reference‖ / ‖reference‖, None where the reference is exactly 0."""
    scale = reference.norm().item() if scale is None else scale
    return (value - reference).norm().item() / scale if scale > 0 else None


def errors(values, reference):
    """The normalised error of every tensor. A key bias adds the same to all scores of a query, which softmax ignores: its true gradient
    is 0 and what is computed is rounding noise, which is measured against the gradient of the query bias beside it."""
    result = {}
    for name in reference:
        scale = None
        if name.startswith("grad.") and name.endswith("key.bias"):
            scale = reference[name.replace("key.bias", "query.bias")].norm().item()
        result[name] = normalised_error(values[name], reference[name], scale)
    return result
