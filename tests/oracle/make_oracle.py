#!/usr/bin/env python3
"""Makes oracle.safetensors: what PyTorch, in float64, makes of the digits in assets/.

    pip install torch numpy safetensors
    python3 tests/oracle/make_oracle.py

The network is the tutorial's: conv 10@5x5, max-pool 2, relu, conv 20@5x5, max-pool 2, relu, linear 50, relu, linear 10,
with PyTorch's default initialisation from torch.manual_seed(0). It takes STEPS steps of SGD with momentum, on batches of
BATCH images in file order. Pixels are normalised in float32, as torchvision does; everything after that is float64, rounded
to float32 when it is stored. Tensors are called as the program's plans call them:

    init.NAME      parameters before the first step
    LAYER.out      what a stage of the first batch comes to (after pooling and relu)
    NAME.grad      gradients of the first batch's mean loss
    loss           the mean loss of each batch
    after.NAME     parameters after the last step
    momentum.NAME  the momentum of the two fully connected layers' biases, which stands for the rest
"""
import gzip
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
BATCH, STEPS, LR, MOMENTUM = 16, 20, 0.01, 0.5
MEAN, DEVIATION = 0.1307, 0.3081


def read(name, shape):
    """The bytes of a gzipped IDX file behind its header."""
    raw = gzip.decompress((HERE.parent.parent / "assets/digits" / name).read_bytes())
    count = int(np.prod(shape))
    return torch.from_numpy(np.frombuffer(raw, np.uint8)[-count:].copy()).reshape(shape)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 10, 5)
        self.conv2 = torch.nn.Conv2d(10, 20, 5)
        self.fc1 = torch.nn.Linear(320, 50)
        self.fc2 = torch.nn.Linear(50, 10)

    def forward(self, x, outs=None):
        outs = {} if outs is None else outs
        outs["conv1.out"] = F.relu(F.max_pool2d(self.conv1(x), 2))
        outs["conv2.out"] = F.relu(F.max_pool2d(self.conv2(outs["conv1.out"]), 2))
        outs["fc1.out"] = F.relu(self.fc1(outs["conv2.out"].flatten(1)))
        outs["fc2.out"] = self.fc2(outs["fc1.out"])
        return outs["fc2.out"]


def main():
    torch.set_num_threads(1)
    images = read("train-images-idx3-ubyte.gz", (BATCH * STEPS, 1, 28, 28))
    labels = read("train-labels-idx1-ubyte.gz", (BATCH * STEPS,)).long()
    x = images.float().div(255).sub(MEAN).div(DEVIATION).double()

    torch.manual_seed(0)
    net = Net()
    stored = {f"init.{name}": p.detach().clone() for name, p in net.named_parameters()}
    net = net.double()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
    losses = []
    for step in range(STEPS):
        outs, part = {}, slice(step * BATCH, (step + 1) * BATCH)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[part], outs), labels[part])
        loss.backward()
        if step == 0:
            stored.update({name: out.detach() for name, out in outs.items()})
            stored.update({f"{name}.grad": p.grad.clone() for name, p in net.named_parameters()})
        optimizer.step()
        losses.append(loss.item())
    stored["loss"] = torch.tensor(losses)
    stored.update({f"after.{name}": p.detach() for name, p in net.named_parameters()})
    for name in ("fc1.bias", "fc2.bias"):
        stored[f"momentum.{name}"] = optimizer.state[net.get_parameter(name)]["momentum_buffer"]
    stored = {name: t.float().contiguous() for name, t in stored.items()}
    save_file(stored, HERE / "oracle.safetensors", {"made by": f"make_oracle.py, torch {torch.__version__}"})
    (HERE / "oracle.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
