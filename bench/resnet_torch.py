"""ResNet-50 for small images and its training step in PyTorch, as fast as eager PyTorch goes on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Precision = Literal["float32", "bfloat16"]
Stem = Literal["cifar", "imagenet"]

PARAMETERS = {"cifar": 23_520_842, "imagenet": 23_528_522}
CLASSES = 10
IMAGE_SIZE = 32
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions with a shortcut; the output has four times `width` channels."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(4 * width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != 4 * width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride=stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        y = functional.relu(self.norm2(self.conv2(y)), inplace=True)
        y = self.norm3(self.conv3(y))
        y += self.shortcut(x)
        return functional.relu(y, inplace=True)


class ResNet50(nn.Module):
    """ResNet-50: uint8 NHWC images in, logits out.

    Its stem is 3x3 with stride 1 and no pooling after it (cifar), or 7x7 with stride 2 and a 3x3 maximum (imagenet).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, stem: Stem) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(STD).view(1, 3, 1, 1) * 255))
        size, stride = (3, 1) if stem == "cifar" else (7, 2)
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, size, stride=stride, padding=size // 2, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.Identity() if stem == "cifar" else nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks: list[nn.Module] = []
        channels = 64
        for width, count, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for index in range(count):
                stride = first_stride if index == 0 else 1
                blocks.append(Bottleneck(channels, width, stride))
                channels = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        # A permuted NHWC tensor already is a channels_last one: no copy.
        x = (images.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        x = self.blocks(self.stem(x))
        return self.head(x.mean((2, 3)))


def build(seed: int, stem: Stem = "cifar") -> ResNet50:
    """A network with channels_last weights."""
    torch.manual_seed(seed)
    model = ResNet50(stem)
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    count = sum(parameter.numel() for parameter in model.parameters())
    if count != PARAMETERS[stem]:
        raise RuntimeError(f"this ResNet-50 has {count} parameters, not {PARAMETERS[stem]}")
    return model


def random_batches(batch: int, count: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """`count` batches of uint8 images [batch, 32, 32, 3] and their labels [batch]."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randint(0, 256, (batch, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=torch.uint8, generator=generator),
            torch.randint(0, CLASSES, (batch,), generator=generator),
        )
        for _ in range(count)
    ]


def optimiser(model: nn.Module) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, fused into one pass over the weights; no weight decay on vectors."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 5e-4}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True, fused=True)


def train_step(
    model: Callable[[Tensor], Tensor],
    sgd: torch.optim.Optimizer,
    batches: list[tuple[Tensor, Tensor]],
    precision: Precision,
) -> Callable[[int], float]:
    """The step: forward, backward and optimiser on batch `i`; returns the loss, so it has run to its end."""

    def step(index: int) -> float:
        images, labels = batches[index % len(batches)]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = functional.cross_entropy(model(images), labels)
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()
        return loss.item()

    return step
