"""Writes the folders `fixtures` under packages/bert/test/{metrics,compare,training}: what scikit-learn's metrics and logistic regression,
and transformers' schedules, give on small seeded inputs. One command, no arguments:

    .venv/bin/python python/make_metric_fixtures.py
"""

import json
import pathlib
import platform

import numpy
import sklearn
import torch
import transformers
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, matthews_corrcoef, roc_auc_score
from sklearn.preprocessing import StandardScaler
from transformers import get_scheduler

TESTS = pathlib.Path(__file__).parent.parent / "packages" / "bert" / "test"
SEED = 20241


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {path.relative_to(TESTS)}")


def versions():
    return {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
        "transformers": transformers.__version__,
        "seed": SEED,
    }


def expected_calibration_error(probabilities, labels, bins=15):
    """Guo et al. 2017, written as there; scikit-learn has none."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    edges = numpy.linspace(0, 1, bins + 1)
    error = 0.0
    for lower, upper in zip(edges[:-1], edges[1:]):
        inside = (confidence > lower) & (confidence <= upper)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def metric_case(name, generator, rows, classes, strength, quantum):
    """Logits rounded to multiples of `quantum`, so that scores tie."""
    labels = generator.integers(0, classes, rows)
    logits = generator.normal(size=(rows, classes)) + strength * numpy.eye(classes)[labels]
    logits = numpy.round(logits / quantum) * quantum
    probabilities = numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True)
    predicted = logits.argmax(1)
    # Equal logits give probabilities that differ in the last bit, where scikit-learn would not see the tie.
    tied = numpy.round(probabilities, 12)
    binary = classes == 2
    return {
        "name": name,
        "classes": classes,
        "labels": labels.tolist(),
        "logits": logits.ravel().tolist(),
        "accuracy": accuracy_score(labels, predicted),
        "f1": f1_score(labels, predicted, average="binary" if binary else "macro"),
        "mcc": matthews_corrcoef(labels, predicted),
        "rocAuc": roc_auc_score(labels, tied[:, 1]) if binary else roc_auc_score(labels, tied, multi_class="ovr"),
        "loss": log_loss(labels, probabilities),
        "confusion": confusion_matrix(labels, predicted, labels=range(classes)).tolist(),
        "calibrationError": expected_calibration_error(probabilities, labels),
    }


def probe_case(name, generator, rows, features, classes, standardize, offset):
    """Overlapping classes in correlated features of unequal scale, half to fit and half to score."""
    labels = generator.integers(0, classes, 2 * rows)
    mixing = generator.normal(size=(features, features))
    centres = generator.normal(size=(classes, features)) * 0.6
    x = (generator.normal(size=(2 * rows, features)) + centres[labels]) @ mixing * generator.uniform(0.1, 3, features) + offset
    x = x.astype(numpy.float32).astype(numpy.float64)
    fit, score = slice(0, rows), slice(rows, None)
    given = x
    if standardize:
        x = StandardScaler().fit(x[fit]).transform(x)
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=100_000).fit(x[fit], labels[fit])
    return {
        "name": name,
        "classes": classes,
        "features": features,
        "standardize": standardize,
        "x": given[fit].ravel().tolist(),
        "labels": labels[fit].tolist(),
        "testX": given[score].ravel().tolist(),
        "testLabels": labels[score].tolist(),
        "coefficients": model.coef_.ravel().tolist(),
        "intercepts": model.intercept_.tolist(),
        "decisions": model.decision_function(x[score]).ravel().tolist(),
        "accuracy": model.score(x[score], labels[score]),
    }


def schedule_case(name, warmup, steps):
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return {"scheduler": name, "warmupSteps": warmup, "steps": steps, "factors": rates}


def main():
    generator = numpy.random.default_rng(SEED)
    metrics = [
        metric_case("two classes", generator, 200, 2, 1.0, 1e-9),
        metric_case("two classes, many ties", generator, 150, 2, 0.8, 0.5),
        metric_case("four classes", generator, 240, 4, 1.2, 1e-9),
        metric_case("three classes, many ties", generator, 90, 3, 0.5, 0.5),
    ]
    write(TESTS / "metrics" / "fixtures" / "metrics.json", {"versions": versions(), "cases": metrics})
    probes = [
        probe_case("two classes", generator, 120, 6, 2, False, 0.0),
        probe_case("two classes, standardized, far from the origin", generator, 120, 6, 2, True, 50.0),
        probe_case("three classes", generator, 150, 5, 3, False, 0.0),
    ]
    write(TESTS / "compare" / "fixtures" / "probe.json", {"versions": versions(), "cases": probes})
    schedules = [
        schedule_case(name, warmup, steps)
        for name in ("linear", "cosine", "constant_with_warmup")
        for warmup, steps in ((0, 7), (3, 10), (10, 10), (12, 10))
    ]
    write(TESTS / "training" / "fixtures" / "schedules.json", {"versions": versions(), "cases": schedules})


if __name__ == "__main__":
    main()
