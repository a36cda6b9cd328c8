"""The networks that weights come from, with weights that a formula gives, and images as each wants them.

The formula is in test/formula-weights.ts too: both sides make the same float32 numbers from a tensor's name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

CLASSES = 10
TORCH_NETWORKS = ("resnet18", "resnet50")
KERAS_NETWORKS = ("ResNet50", "ResNet50V2")


def uniform(name: str, count: int) -> np.ndarray:
    """`count` numbers in [0, 1), float64: FNV-1a of the name, then MurmurHash3's finaliser of each index."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h / 2.0**32


def formula(name: str, shape: tuple[int, ...], kind: str, fan_in: int = 1) -> np.ndarray:
    """Kernels have variance 2/fan_in; scales lie in 0.45…0.95, variances in 0.5…1.5, all else in -0.5…0.5."""
    u = uniform(name, int(np.prod(shape)))
    if kind == "kernel":
        values = (2 * u - 1) * np.sqrt(6 / fan_in)
    elif kind == "scale":
        values = 0.45 + u / 2
    elif kind == "variance":
        values = 0.5 + u
    else:
        values = u - 0.5
    return values.astype(np.float32).reshape(shape)


def pixels(count: int) -> np.ndarray:
    """uint8 images [count, 32, 32, 3]."""
    return np.floor(uniform("pixels", count * 32 * 32 * 3) * 256).astype(np.uint8).reshape(count, 32, 32, 3)


def torch_network(name: str, imagenet_stem: bool) -> Any:
    """torchvision's network with 10 classes; without the ImageNet stem it begins with a 3x3 convolution."""
    import torchvision
    from torch import nn

    model = getattr(torchvision.models, name)(num_classes=CLASSES)
    if not imagenet_stem:
        model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        model.maxpool = nn.Identity()
    return model.eval()


def fill_torch(model: Any) -> None:
    import torch

    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        last = name.rsplit(".", 1)[1]
        kind = "other"
        if tensor.ndim > 1:
            kind = "kernel"
        elif last in ("weight", "running_var"):
            kind = "scale" if last == "weight" else "variance"
        fan_in = int(np.prod(tuple(tensor.shape[1:])))
        tensor.copy_(torch.from_numpy(formula(name, tuple(tensor.shape), kind, fan_in)))


def torch_logits(model: Any, images: np.ndarray, size: int) -> np.ndarray:
    """Normalised as torchvision's weights want it, and enlarged."""
    import torch
    from torch.nn import functional

    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
    std = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
    x = functional.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    with torch.no_grad():
        return model((x - mean) / std).numpy()


def keras_network(name: str, size: int) -> Any:
    """Keras's network with 10 classes, whose last layer gives logits."""
    import keras

    return getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None
    )


def fill_keras(model: Any) -> None:
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)
            kinds = {"kernel": "kernel", "gamma": "scale", "moving_variance": "variance"}
            kind = kinds.get(variable.name, "other")
            name = f"{layer.name}/{variable.name}"
            variable.assign(formula(name, shape, kind, int(np.prod(shape[:-1]))))


def keras_logits(model: Any, name: str, images: np.ndarray, size: int) -> np.ndarray:
    """Enlarged by Keras's own layer and prepared by the network's own function."""
    import keras

    prepare: Callable[[Any], Any] = {
        "ResNet50": keras.applications.resnet.preprocess_input,
        "ResNet50V2": keras.applications.resnet_v2.preprocess_input,
    }[name]
    x = keras.layers.Resizing(size, size, interpolation="bilinear")(images.astype(np.float32))
    return np.asarray(model(prepare(keras.ops.convert_to_numpy(x).copy()), training=False))
