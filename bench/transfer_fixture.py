"""Writes test/fixtures/transfer.json: what PyTorch and Keras make of formula weights, for tests without them.

Also small files that Keras itself has saved, in each of its layouts: test/fixtures/keras/. Needs the packages
of bench/requirements.txt:

    bench/.venv/bin/python bench/transfer_fixture.py
    PYTHONPATH=KERAS_3_3_3 KERAS_BACKEND=torch bench/.venv/bin/python bench/transfer_fixture.py old

The second command, with a Keras before 3.7, writes files that don't say the names of their layers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import transfer_models as models

FIXTURES = Path(__file__).parent.parent / "test" / "fixtures"
IMAGES = 2


def reference_logits() -> dict[str, Any]:
    import keras
    import torch
    import torchvision

    images = models.pixels(IMAGES)
    cases = []
    for network, imagenet_stem, size in (("resnet18", False, 32), ("resnet50", True, 64)):
        model = models.torch_network(network, imagenet_stem)
        models.fill_torch(model)
        stem = "imagenet" if imagenet_stem else "cifar"
        logits = models.torch_logits(model, images, size)
        cases.append(
            {"source": "torchvision", "network": network, "stem": stem, "size": size, "logits": logits}
        )
    for network in models.KERAS_NETWORKS:
        size = 64
        model = models.keras_network(network, size)
        models.fill_keras(model)
        logits = models.keras_logits(model, network, images, size)
        cases.append(
            {"source": "keras", "network": network, "stem": "imagenet", "size": size, "logits": logits}
        )
    for case in cases:
        case["logits"] = [[float(f"{value:.7g}") for value in row] for row in case["logits"]]
    versions = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "keras": keras.__version__,
    }
    return {"madeBy": "bench/transfer_fixture.py", "versions": versions, "images": IMAGES, "cases": cases}


def few_layers() -> Any:
    """The beginning of a ResNet50 and its end, narrow, with every kind of layer and its variables."""
    import keras
    from keras import layers

    def norm(name: str) -> Any:
        return layers.BatchNormalization(epsilon=1.001e-5, name=name)

    x = inputs = keras.Input((8, 8, 3))
    x = norm("conv1_bn")(layers.Conv2D(2, 7, strides=2, name="conv1_conv")(x))
    x = layers.Activation("relu", name="conv1_relu")(x)
    y = norm("conv2_block1_1_bn")(layers.Conv2D(2, 1, name="conv2_block1_1_conv")(x))
    x = layers.Add(name="conv2_block1_add")([x, y])
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(inputs, layers.Dense(3, name="predictions")(x), name="resnet50")


def inside(model: Any) -> Any:
    """A model that has another one as its first layer."""
    import keras

    return keras.Sequential([keras.Input((8, 8, 3)), model, keras.layers.Dense(4, name="head")])


def keras_files(folder: Path) -> None:
    """One model in each layout: weights alone and whole models, old and new, alone and inside another one."""
    import h5py
    import numpy as np
    from keras.src.legacy.saving import legacy_h5_format

    model = few_layers()
    outer = inside(model)
    outer.compile("adam", "mse")
    # Once, so that there is an optimiser's state to pass over.
    outer.train_on_batch(np.zeros((1, 8, 8, 3)), np.zeros((1, 4)))
    models.fill_keras(model)
    model.save_weights(folder / "numbered.weights.h5")
    model.save(folder / "whole.keras")
    outer.save(folder / "nested.keras")
    outer.save(folder / "nested.h5")
    with h5py.File(folder / "legacy.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def nameless_files(folder: Path) -> None:
    model = few_layers()
    models.fill_keras(model)
    inside(model).save(folder / "nameless-nested.keras")
    model.save_weights(folder / "nameless.weights.h5")


def main() -> None:
    import torch

    folder = FIXTURES / "keras"
    folder.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:] == ["old"]:
        nameless_files(folder)
        return
    text = json.dumps(reference_logits(), indent=2)
    (FIXTURES / "transfer.json").write_text(text + "\n")
    torch.save({"weight": torch.zeros(1)}, FIXTURES / "torch.pth")
    keras_files(folder)


if __name__ == "__main__":
    main()
