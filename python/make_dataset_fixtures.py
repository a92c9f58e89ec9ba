"""Writes packages/datasets/test/fixtures/hugging-face-datasets.json: what Hugging Face `datasets` answers.

Split expressions (ranges or refusals), shuffle(seed) and train_test_split(seed, stratified or not).
Run: pip install datasets==5.2.0 && python python/make_dataset_fixtures.py
"""

import hashlib
import json
import random
from pathlib import Path

import datasets
import numpy
from datasets.arrow_reader import ReadInstruction

OUTPUT = Path(__file__).parent.parent / "packages/datasets/test/fixtures/hugging-face-datasets.json"
SEED = 7

EXPRESSIONS = [
    "train", "test", "train[:1%]", "test[:1%]", "train[10%:20%]", "train[-500:]", "train[:100]+test[:100]",
    "train[:33%]", "train[33%:66%]", "train[-10%:]", "train[:-10%]", "train[:5]", "train[5:]", "train[5:3]", "train[:]",
    "train[1_000:2_000]", "train[:100%]", "train[-100%:100%]", "train[:0]", "train[:10%](closest)",
    "train[:1%](pct1_dropremainder)", "train[99%:](pct1_dropremainder)", "train[10%:20]", "train[10:20%]",
    "train + test", "train[:1%]+test[:1%](pct1_dropremainder)", "train[:1%](pct1_dropremainder)+test[:1%](pct1_dropremainder)",
    "train[:1%]+test[:10]", "train[:101%]", "train[-101%:]", "train[:10](closest)", "train[:10%](floor)", "train[", "train]",
    "train[1]", "train[a:b]", "train[:1.5%]", "train[: 5]", " train", "train ", "", "+", "train+", "train[:1%]test", "nope",
    "nope[:5]", "train[::2]", "train[:_5]", "train[:5_]", "train[--5:]", "train[5:-5]", "train[-5:-10]", "train[%:]",
]
ROW_COUNTS = [0, 1, 3, 50, 99, 100, 101, 150, 199, 250, 872, 1821, 25_000, 67_349]


def resolve(expression: str, rows: int) -> list[list] | None:
    """Ranges of one expression, or None where Hugging Face refuses it."""
    counts = {"train": rows, "test": rows * 2 + 1}
    try:
        absolute = ReadInstruction.from_spec(expression).to_absolute(counts)
    except (ValueError, KeyError):
        return None
    return [[part.splitname, part.from_, part.to] for part in absolute]


def digest(rows) -> str:
    return hashlib.sha256(",".join(str(int(row)) for row in rows).encode()).hexdigest()


def shuffles() -> list[dict]:
    found = []
    for rows in [1, 2, 3, 10, 257, 1000, 25_000]:
        for seed in [0, 1, 42, 2**32 - 1, 2**32 + 5]:
            data = datasets.Dataset.from_dict({"row": list(range(rows))})
            found.append({"rows": rows, "seed": seed, "sha256": digest(data.shuffle(seed=seed)["row"])})
    return found


def train_test_splits() -> list[dict]:
    random.seed(SEED)
    found = []
    for rows, classes in [(10, 2), (100, 2), (101, 3), (1000, 5), (257, 4)]:
        labels = [i % classes if i < 2 * classes else min(int(random.random() ** 2 * classes), classes - 1) for i in range(rows)]
        features = datasets.Features(
            {"row": datasets.Value("int64"), "label": datasets.ClassLabel(names=[str(c) for c in range(classes)])}
        )
        data = datasets.Dataset.from_dict({"row": list(range(rows)), "label": labels}, features=features)
        for sizes in [{}, {"test_size": 0.2}, {"test_size": 0.33, "train_size": 0.5}, {"train_size": 0.6}, {"test_size": classes + 1}]:
            for stratify in [False, True]:
                for seed in [0, 42]:
                    try:
                        parts = data.train_test_split(**sizes, seed=seed, stratify_by_column="label" if stratify else None)
                        answer = {"train": digest(parts["train"]["row"]), "test": digest(parts["test"]["row"])}
                    except ValueError:
                        answer = None
                    found.append({"labels": labels, "sizes": sizes, "stratify": stratify, "seed": seed, "answer": answer})
    return found


def main() -> None:
    datasets.disable_progress_bars()
    document = {
        "made_by": "python/make_dataset_fixtures.py",
        "versions": {"datasets": datasets.__version__, "numpy": numpy.__version__},
        "splits": [
            {"expression": expression, "rows": rows, "ranges": resolve(expression, rows)}
            for expression in EXPRESSIONS
            for rows in ROW_COUNTS
        ],
        "shuffles": shuffles(),
        "train_test_splits": train_test_splits(),
    }
    OUTPUT.write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
