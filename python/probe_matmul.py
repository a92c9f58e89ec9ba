"""Prints as JSON whether float32 products allowed to use bfloat16 really round to it on this processor: {"bf16Rounds": false}.

PyTorch hands float32 products to MKL, and to oneDNN once bfloat16 is allowed. Where the processor has no AMX, oneDNN then computes in full
float32 all the same, and on some processors faster than MKL does: it is then simply PyTorch's better float32 setting.
"""

import json

import torch


def main():
    torch.manual_seed(0)
    a, b = torch.randn(256, 256), torch.randn(256, 256)
    exact = a.double() @ b.double()
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    error = ((a @ b).double() - exact).norm() / exact.norm()
    # bfloat16 operands have 8 bits: their products are off by about 2e-3; float32's by less than 1e-6.
    print(json.dumps({"bf16Rounds": bool(error > 1e-5)}))


if __name__ == "__main__":
    main()
