"""Makes test/augment/reference.json.gz: what torchvision and Keras make of two images, for given parameters.

    pip install torch==2.8.0 torchvision==0.23.0 tensorflow-cpu==2.21.0 pillow
    python3 test/augment/reference.py

Pixels are computed in float32, for torchvision on a scale of 0 to 1, and stored on a scale of 0 to 255 as
16-bit fixed-point numbers with 7 bits after the point. test/augment.test.ts reads them.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import pathlib
import tarfile
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import torch
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms import v2

HERE = pathlib.Path(__file__).parent
SAMPLE = HERE.parent.parent / "data" / "sample" / "cifar10-sample.tar.xz"
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
FILL = {"zero": "constant", "reflect": "reflect", "edge": "nearest"}

# What is done to an image when nothing is drawn.
NOTHING = {
    "dx": 0,
    "dy": 0,
    "flip": False,
    "box": None,
    "rotation": 0,
    "zoom": 1,
    "stretch": {"width": 1, "height": 1},
    "colorJitter": None,
    "grayscale": False,
    "cutout": None,
}


def images() -> np.ndarray:
    """Noise, in which no error of a pixel or a channel hides, and a photograph: uint8 [2,32,32,3]."""
    with tarfile.open(SAMPLE) as archive:
        name = sorted(m.name for m in archive if m.name.startswith("train/frog/"))[3]
        photograph = np.array(Image.open(io.BytesIO(archive.extractfile(name).read())).convert("RGB"))
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return np.stack([noise, photograph])


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


def pixels(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy() * 255


def crop(image: torch.Tensor, p: dict, padding_mode: str = "constant") -> torch.Tensor:
    image = F.crop(F.pad(image, [8, 8, 8, 8], padding_mode=padding_mode), 8 + p["dy"], 8 + p["dx"], 32, 32)
    return F.hflip(image) if p["flip"] else image


def resized_crop(image: torch.Tensor, p: dict) -> torch.Tensor:
    box = p["box"]
    return F.resized_crop(image, box["top"], box["left"], box["height"], box["width"], [32, 32])


def rotate(image: torch.Tensor, p: dict) -> torch.Tensor:
    return F.rotate(image, p["rotation"] * 360, F.InterpolationMode.BILINEAR)


ADJUST = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}


def jitter(image: torch.Tensor, p: dict) -> torch.Tensor:
    if p["colorJitter"] is None:
        return image
    for name in p["colorJitter"]["order"]:
        image = ADJUST[name](image, p["colorJitter"][name])
    return image


def gray(image: torch.Tensor, p: dict) -> torch.Tensor:
    return F.rgb_to_grayscale(image, 3) if p["grayscale"] else image


def cut(image: torch.Tensor, p: dict) -> torch.Tensor:
    """16 pixels a side, of the normalised image; as pixels the square has the mean colour."""
    top, left = max(0, p["cutout"]["top"]), max(0, p["cutout"]["left"])
    height, width = min(32, p["cutout"]["top"] + 16) - top, min(32, p["cutout"]["left"] + 16) - left
    x = v2.functional.erase(F.normalize(image, MEAN, STD), top, left, height, width, torch.zeros(3, 1, 1))
    return x * torch.tensor(STD).reshape(3, 1, 1) + torch.tensor(MEAN).reshape(3, 1, 1)


def supcon(image: torch.Tensor, p: dict) -> torch.Tensor:
    """SupContrast's order, but that it flips after the crop; its flip here is that of the image before."""
    return gray(jitter(resized_crop(crop(image, p), p), p), p)


def keras_rotate(image: np.ndarray, p: dict, fill: str) -> np.ndarray:
    layer = keras.layers.RandomRotation(0.5, fill_mode=FILL[fill])
    angle = np.array([p["rotation"] * 360], np.float32)
    one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
    matrix = layer._compute_affine_matrix(
        center_x=0.5,
        center_y=0.5,
        angle=angle,
        translate_x=none,
        translate_y=none,
        scale=one,
        shear_x=none,
        shear_y=none,
        height=32,
        width=32,
    )
    return layer.transform_images(image[None].astype(np.float32), {"rotation_matrix": matrix})[0].numpy()


def keras_zoom(image: np.ndarray, p: dict, fill: str) -> np.ndarray:
    layer = keras.layers.RandomZoom(0.5, fill_mode=FILL[fill])
    zoom = np.full((1, 1), p["zoom"], np.float32)
    return layer.transform_images(image[None].astype(np.float32), {"height_zoom": zoom, "width_zoom": zoom})[
        0
    ].numpy()


def keras_stretch(image: np.ndarray, p: dict) -> np.ndarray:
    """RandomHeight and RandomWidth resize the image; of what is then larger than the frame, its middle."""
    height, width = round(32 * p["stretch"]["height"]), round(32 * p["stretch"]["width"])
    resized = tf.image.resize(image.astype(np.float32), [height, width]).numpy()
    top, left = (height - 32) // 2, (width - 32) // 2
    return resized[top : top + 32, left : left + 32]


def fixed_point(all_pixels: list[np.ndarray]) -> str:
    numbers = np.round(np.stack(all_pixels).astype(np.float64) * 128)
    assert numbers.min() >= 0 and numbers.max() <= 255 * 128
    return base64.b64encode(numbers.astype("<u2").tobytes()).decode()


def case(name: str, config: dict, drawn: list[dict], of: Callable, library: str = "torch") -> dict:
    """The noise with the first of the parameters, the photograph with the second, and so on in turn."""
    complete = [{**NOTHING, **p} for p in drawn]
    turn = [(SOURCE[i % 2], p) for i, p in enumerate(complete)]
    if library == "torch":
        results = [pixels(of(tensor(image), p)) for image, p in turn]
    else:
        results = [of(image, p) for image, p in turn]
    return {"name": name, "config": config, "drawn": complete, "expected": fixed_point(results)}


def jitters(**factors: list[float]) -> list[dict]:
    """One value of each at a time, in different orders."""
    names = list(factors)
    neutral = {"brightness": 1, "contrast": 1, "saturation": 1, "hue": 0}
    return [
        {"colorJitter": {**neutral, **dict(zip(names, values, strict=True)), "order": names[i:] + names[:i]}}
        for i, values in enumerate(zip(*factors.values(), strict=True))
    ]


def cases() -> list[dict]:
    shifts = [{"dx": 3, "dy": -4, "flip": True}, {"dx": -2, "dy": 4, "flip": False}, {"flip": True}]
    boxes = [
        {"box": {"top": 0, "left": 0, "height": 32, "width": 32}},
        {"box": {"top": 5, "left": 9, "height": 13, "width": 21}},
        {"box": {"top": 17, "left": 0, "height": 15, "width": 11}},
        {"box": {"top": 31, "left": 31, "height": 1, "width": 1}},
    ]
    turns = [{"rotation": r} for r in (0.02, -0.013, 0.31, -0.25)]
    zooms = [{"zoom": z} for z in (0.8, 1.3)]
    orders = jitters(
        brightness=[1.35, 0.62, 1.1, 0.9],
        contrast=[0.7, 1.38, 0.65, 1.2],
        saturation=[1.4, 0.6, 0.2, 1.9],
        hue=[0.1, -0.1, 0.37, -0.5],
    )
    jitter_config = {"colorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}}

    def only(name: str) -> dict:
        return {"colorJitter": {name: 0.4}}

    all_cases = [
        case("torchvision pad, crop, hflip", {"crop": 4}, shifts, crop),
        case(
            "torchvision pad (symmetric), crop, hflip",
            {"crop": 4, "fill": "reflect"},
            shifts[:1],
            lambda image, p: crop(image, p, "symmetric"),
        ),
        case(
            "torchvision pad (edge), crop, hflip",
            {"crop": 4, "fill": "edge"},
            shifts[:1],
            lambda image, p: crop(image, p, "edge"),
        ),
        case("torchvision resized_crop", {"resizedCrop": {}}, boxes, resized_crop),
        case("torchvision rotate", {"rotation": 0.5}, turns, rotate),
        *(
            case(
                f"keras RandomRotation, fill {fill}",
                {"rotation": 0.5, "fill": fill},
                turns[:2],
                lambda image, p, fill=fill: keras_rotate(image, p, fill),
                "keras",
            )
            for fill in FILL
        ),
        *(
            case(
                f"keras RandomZoom, fill {fill}",
                {"zoom": 0.5, "fill": fill},
                zooms,
                lambda image, p, fill=fill: keras_zoom(image, p, fill),
                "keras",
            )
            for fill in FILL
        ),
        case(
            "keras resize (RandomWidth, RandomHeight)",
            {"stretch": {"width": 0.5, "height": 0.5}},
            [{"stretch": {"width": 38 / 32, "height": 34 / 32}}],
            keras_stretch,
            "keras",
        ),
        case("torchvision adjust_brightness", only("brightness"), jitters(brightness=[1.37, 0.6]), jitter),
        case("torchvision adjust_contrast", only("contrast"), jitters(contrast=[1.37, 0.6]), jitter),
        case("torchvision adjust_saturation", only("saturation"), jitters(saturation=[1.37, 0.0]), jitter),
        case("torchvision adjust_hue", only("hue"), jitters(hue=[0.1, -0.45]), jitter),
        case("torchvision ColorJitter in four orders", jitter_config, orders, jitter),
        case("torchvision rgb_to_grayscale", {"grayscale": 0.5}, [{"grayscale": True}, {}], gray),
        case(
            "torchvision erase of the normalised image",
            {"cutout": 16},
            [{"cutout": {"top": 3, "left": 11}}, {"cutout": {"top": -8, "left": 23}}],
            cut,
        ),
        case(
            "SupContrast's pipeline",
            {"resizedCrop": {"scale": [0.2, 1]}, "flip": "random", "grayscale": 0.2, **jitter_config},
            [
                {**boxes[1], **orders[0], "flip": True},
                {**boxes[2], **orders[1]},
                {**boxes[1], "grayscale": True, "flip": True},
            ],
            supcon,
        ),
    ]
    for one in all_cases:
        one["config"] = {"crop": 0, "flip": "random", **one["config"]}
    return all_cases


SOURCE = images()

if __name__ == "__main__":
    content = {
        "images": base64.b64encode(SOURCE.tobytes()).decode(),
        "normalization": {"mean": MEAN, "std": STD},
        "cases": cases(),
    }
    out = HERE / "reference.json.gz"
    out.write_bytes(gzip.compress(json.dumps(content).encode(), mtime=0))
    print(f"{out}: {len(content['cases'])} cases, {out.stat().st_size} bytes")
