"""Trains ResNet-50 in PyTorch as bench/parity.mjs says, from its weights and batches, and prints each step's loss."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import resnet_torch


def network(config: dict[str, Any]) -> nn.ModuleList:
    """The encoder with a linear head, or with a projection head of dense layers, and nothing else on top."""
    encoder = resnet_torch.ResNet50("cifar")
    projection = config["model"].get("projection")
    if projection is None:
        return nn.ModuleList([encoder])
    features = encoder.head.in_features
    encoder.head = nn.Identity()
    layers: list[nn.Module] = []
    for width in projection["widths"]:
        layers += [nn.ReLU()] if layers else []
        layers.append(nn.Linear(features, width))
        features = width
    return nn.ModuleList([encoder, nn.Sequential(*layers)])


def load(model: nn.Module, folder: Path, specs: list[dict[str, Any]]) -> None:
    """Both list their parameters in the order of forward; kernels are [h,w,in,out] and [in,out] in the file."""
    values = np.fromfile(folder / "weights.f32", "<f4")
    parameters = list(model.parameters())
    if len(parameters) != len(specs):
        sys.exit(f"PyTorch's network has {len(parameters)} parameters, Lockstep's {len(specs)}")
    begin = 0
    for parameter, spec in zip(parameters, specs, strict=True):
        size = int(np.prod(spec["shape"]))
        value = torch.from_numpy(values[begin : begin + size].reshape(spec["shape"]))
        begin += size
        order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim]
        if parameter.shape != value.permute(order).shape:
            sys.exit(f"{spec['name']}: {tuple(value.shape)} does not fit {tuple(parameter.shape)}")
        parameter.data.copy_(value.permute(order))
    if begin != values.size:
        sys.exit("weights.f32 holds more than the parameters")


def supcon(features: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Khosla et al. 2020, equation 2 over the number of rows: the mean over the positives outside of the logarithm.

    A row is no positive of its own, and one without positives adds nothing.
    """
    rows = functional.normalize(features)
    others = ~torch.eye(len(rows), dtype=torch.bool)
    similarity = (rows @ rows.T / temperature).masked_fill(~others, -torch.inf)
    logarithms = torch.log_softmax(similarity, 1)
    positives = (labels[:, None] == labels[None, :]) & others
    counts = positives.sum(1)
    sums = torch.where(positives, logarithms, 0).sum(1)
    return -(sums / counts.clamp(min=1)).mean()


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    config = json.loads((folder / "parity.json").read_text())
    torch.set_num_threads(config["threads"])
    batch = config["batch"]["microBatchSize"]
    images = torch.from_numpy(np.fromfile(folder / "images.u8", np.uint8).reshape(-1, batch, 32, 32, 3))
    labels = torch.from_numpy(np.fromfile(folder / "labels.u8", np.uint8).reshape(-1, batch)).long()
    model = network(config)
    load(model, folder, config["parameters"])
    (stage,) = config["stages"]
    sgd_config = stage["optimizer"]
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": sgd_config["weightDecay"]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    sgd = torch.optim.SGD(
        groups,
        lr=stage["learningRate"]["peak"],
        momentum=sgd_config["momentum"],
        nesterov=sgd_config["nesterov"],
    )
    losses = []
    for x, y in zip(images, labels, strict=True):
        output = x
        for module in model:
            output = module(output)
        if stage["objective"] == "supcon":
            loss = supcon(output, y, stage["temperature"])
        else:
            loss = functional.cross_entropy(output, y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    json.dump({"losses": losses}, sys.stdout)


main()
