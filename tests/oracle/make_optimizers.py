#!/usr/bin/env python3
"""Makes optimizers.safetensors: what PyTorch's optimizers, in float64, make of the digits in assets/.

    pip install torch numpy safetensors
    python3 tests/oracle/make_optimizers.py

The network is small and smooth: conv 2@5x5, max-pool 4, sigmoid, linear 10. No constant of an optimizer has its default or
the value of another, so that two which are exchanged come to other parameters. All are float32 numbers to the last bit, and
eps is large, so that rounding does not decide the sign of a step. Images, batches and normalisation are those of make_oracle.py.

    init.NAME        parameters before the first step
    OPTIMIZER.NAME   parameters after the last one
"""
import torch
import torch.nn.functional as F
from make_oracle import BATCH, DEVIATION, HERE, MEAN, STEPS, read
from safetensors.torch import save_file

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1 / 16, momentum=7 / 8, weight_decay=1 / 128),
    "nesterov": lambda p: torch.optim.SGD(p, lr=1 / 32, momentum=3 / 4, weight_decay=1 / 64, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=1 / 256, betas=(13 / 16, 31 / 32), eps=1 / 1024, weight_decay=3 / 128),
    "adamw": lambda p: torch.optim.AdamW(p, lr=5 / 1024, betas=(27 / 32, 15 / 16), eps=1 / 512, weight_decay=3 / 64),
    "rmsprop": lambda p: torch.optim.RMSprop(
        p, lr=3 / 1024, alpha=29 / 32, eps=1 / 128, momentum=5 / 8, weight_decay=3 / 256
    ),
}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 2, 5)
        self.fc1 = torch.nn.Linear(72, 10)

    def forward(self, x):
        return self.fc1(torch.sigmoid(F.max_pool2d(self.conv1(x), 4)).flatten(1))


def main():
    torch.set_num_threads(1)
    images = read("train-images-idx3-ubyte.gz", (BATCH * STEPS, 1, 28, 28))
    labels = read("train-labels-idx1-ubyte.gz", (BATCH * STEPS,)).long()
    x = images.float().div(255).sub(MEAN).div(DEVIATION).double()
    stored = {}
    for name, make in OPTIMIZERS.items():
        torch.manual_seed(0)
        net = Net()
        stored.update({f"init.{key}": p.detach().clone() for key, p in net.named_parameters()})
        net = net.double()
        optimizer = make(net.parameters())
        for step in range(STEPS):
            part = slice(step * BATCH, (step + 1) * BATCH)
            optimizer.zero_grad()
            F.cross_entropy(net(x[part]), labels[part]).backward()
            optimizer.step()
        stored.update({f"{name}.{key}": p.detach() for key, p in net.named_parameters()})
    stored = {name: t.float().contiguous() for name, t in stored.items()}
    save_file(stored, HERE / "optimizers.safetensors", {"made by": f"make_optimizers.py, torch {torch.__version__}"})
    (HERE / "optimizers.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
