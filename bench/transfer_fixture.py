"""Writes test/fixtures/transfer.json: what PyTorch and Keras make of formula weights, for a test that has neither.

Also small files that Keras itself has saved, in each of its layouts, under test/fixtures/keras/. Needs torch, torchvision
and TensorFlow: LOCKSTEP_PEERS=... bench/peers.sh, then  PYTHON bench/transfer_fixture.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
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
        cases.append({"source": "torchvision", "network": network, "stem": stem, "size": size, "logits": logits})
    for network in models.KERAS_NETWORKS:
        size = 64
        model = models.keras_network(network, size)
        models.fill_keras(model)
        logits = models.keras_logits(model, network, images, size)
        cases.append({"source": "keras", "network": network, "stem": "imagenet", "size": size, "logits": logits})
    for case in cases:
        case["logits"] = [[float(f"{value:.7g}") for value in row] for row in case["logits"]]
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "keras": keras.__version__}
    return {"madeBy": "bench/transfer_fixture.py", "versions": versions, "images": IMAGES, "cases": cases}


def few_layers() -> Any:
    """The beginning of a ResNet50 and its end, narrow: enough to hold every kind of layer and its variables."""
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


def keras_files(folder: Path) -> None:
    """One model in each layout: weights alone and whole models, old and new, alone and as a part of another model."""
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    folder.mkdir(parents=True, exist_ok=True)
    model = few_layers()
    models.fill_keras(model)
    outer = keras.Sequential([keras.Input((8, 8, 3)), model, keras.layers.Dense(4, name="head")])
    outer.compile("adam", "mse")
    # Once, so that there is an optimiser's state to pass over.
    weights = [variable.numpy() for variable in outer.weights]
    outer.train_on_batch(np.zeros((1, 8, 8, 3)), np.zeros((1, 4)))
    for variable, value in zip(outer.weights, weights, strict=True):
        variable.assign(value)
    model.save_weights(folder / "numbered.weights.h5")
    model.save(folder / "whole.keras")
    outer.save(folder / "nested.keras")
    outer.save(folder / "nested.h5")
    with h5py.File(folder / "legacy.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def main() -> None:
    FIXTURES.mkdir(parents=True, exist_ok=True)
    text = json.dumps(reference_logits(), indent=2)
    (FIXTURES / "transfer.json").write_text(text + "\n")
    keras_files(FIXTURES / "keras")


if __name__ == "__main__":
    main()
