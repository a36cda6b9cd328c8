"""Writes files of random weights as PyTorch and Keras users have them, and reads what Lockstep exports.

python bench/transfer_peers.py save FOLDER   files, pixels.bin, and cases.json with the networks' logits
python bench/transfer_peers.py load FOLDER   prints the logits of the networks with the exports in FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import transfer_models as models

SIZE = 64
TORCH_CASES = (("resnet18", False, 32), ("resnet50", True, SIZE))
KERAS_FILES = (("ResNet50", "whole.h5"), ("ResNet50V2", "whole.keras"), ("ResNet50V2", "numbered.weights.h5"))


def randomise_torch(model: Any) -> None:
    """PyTorch's own kernels, and running statistics and affine parameters as if it had been trained."""
    import torch
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.45, 0.95)
            nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean = torch.randn_like(module.running_mean) * 0.3
            module.running_var = 0.5 + torch.rand_like(module.running_var)


def randomise_keras(model: Any, generator: np.random.Generator) -> None:
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)
            if variable.name == "gamma":
                variable.assign(generator.uniform(0.45, 0.95, shape))
            elif variable.name == "moving_variance":
                variable.assign(generator.uniform(0.5, 1.5, shape))
            elif variable.name != "kernel":
                variable.assign(generator.normal(0, 0.2, shape))


def save(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    generator = np.random.default_rng(1)
    torch.manual_seed(1)
    images = generator.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    (folder / "pixels.bin").write_bytes(images.tobytes())
    cases = []
    for network, imagenet_stem, size in TORCH_CASES:
        model = models.torch_network(network, imagenet_stem)
        randomise_torch(model)
        file = f"{network}.safetensors"
        save_file(model.state_dict(), folder / file)
        logits = models.torch_logits(model, images, size)
        stem = "imagenet" if imagenet_stem else "cifar"
        cases.append(
            {"file": file, "network": network, "stem": stem, "size": size, "logits": logits.tolist()}
        )
    for network, name in KERAS_FILES:
        model = models.keras_network(network, SIZE)
        randomise_keras(model, generator)
        file = f"{network}-{name}"
        (model.save_weights if name.endswith(".weights.h5") else model.save)(folder / file)
        logits = models.keras_logits(model, network, images, SIZE).tolist()
        cases.append({"file": file, "network": network, "stem": "imagenet", "size": SIZE, "logits": logits})
    (folder / "cases.json").write_text(json.dumps(cases))


def load(folder: Path) -> None:
    from safetensors.torch import load_file

    images = np.fromfile(folder / "pixels.bin", dtype=np.uint8).reshape(2, 32, 32, 3)
    found: dict[str, Any] = {}
    for network, imagenet_stem, size in TORCH_CASES:
        model = models.torch_network(network, imagenet_stem)
        model.load_state_dict(load_file(folder / f"export-{network}.safetensors"), strict=True)
        found[network] = models.torch_logits(model, images, size).tolist()
    for network in models.KERAS_NETWORKS:
        model = models.keras_network(network, SIZE)
        model.load_weights(folder / f"export-{network}.h5")
        found[network] = models.keras_logits(model, network, images, SIZE).tolist()
    print(json.dumps(found))


def main() -> None:
    command, folder = sys.argv[1:]
    {"save": save, "load": load}[command](Path(folder))


if __name__ == "__main__":
    main()
