"""Times the matrix products of a training step as PyTorch hands them to oneDNN: the limit that benchmarks/limits compares a step with.

    .venv/bin/python python/measure_products.py --shapes 1024x768x2304,1024x768x768 --dtype bf16 --threads 2

A shape is N x K x M: a linear layer of N tokens from K to M. Answers {"run": n} with the fastest of n times, in seconds, of the three
products of each shape (forward, and the gradients of input and weight); {"quit": true} ends it.
"""

import argparse
import json
import sys
import time

import torch


def operands(shape, dtype):
    n, k, m = shape
    x, w, dy = torch.randn(n, k), torch.randn(m, k), torch.randn(n, m)
    return [tensor.to(dtype) for tensor in (x, w, dy)]


def products(x, w, dy):
    return {
        "forward": lambda: torch.nn.functional.linear(x, w),
        "input gradient": lambda: dy @ w,
        "weight gradient": lambda: dy.t() @ x,
    }


def fastest(work, times):
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def main():
    parser = argparse.ArgumentParser(description="time matrix products")
    parser.add_argument("--shapes", required=True)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    dtype = torch.bfloat16 if arguments.dtype == "bf16" else torch.float32
    # Float32 products go to MKL unless they may round; whichever is faster is the limit.
    precisions = ["ieee", "bf16"] if arguments.dtype == "fp32" and not rounds_in_bf16() else ["ieee"]
    shapes = [tuple(int(size) for size in shape.split("x")) for shape in arguments.shapes.split(",")]
    work = [products(*operands(shape, dtype)) for shape in shapes]
    print(json.dumps({"ready": True, "versions": {"torch": torch.__version__}, "environment": {"precisions": precisions}}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if command.get("quit"):
            print(json.dumps({"quit": True}), flush=True)
            break
        best = [{name: float("inf") for name in each} for each in work]
        with torch.inference_mode():
            for precision in precisions:
                torch.backends.mkldnn.matmul.fp32_precision = precision
                for shape, each in enumerate(work):
                    for name, product in each.items():
                        best[shape][name] = min(best[shape][name], fastest(product, command["run"]))
        print(json.dumps({"seconds": best}), flush=True)


def rounds_in_bf16():
    """Whether float32 products that may use bfloat16 do: they are then no float32 products (see probe_matmul.py)."""
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    a, b = torch.randn(256, 256), torch.randn(256, 256)
    error = ((a @ b).double() - a.double() @ b.double()).norm() / (a.double() @ b.double()).norm()
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"
    return bool(error > 1e-5)


if __name__ == "__main__":
    main()
