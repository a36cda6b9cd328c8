"""Times a training step of ResNet-50 in TensorFlow: one tf.function, NHWC, fused BatchNorm."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

import measure

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # by itself it is off where there is no AVX-512

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

PARAMETERS = {"cifar": 23_520_842, "imagenet": 23_528_522}
CLASSES = 10
IMAGE_SIZE = 32
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


class ResNet50:
    """ResNet-50 in bare TensorFlow ops.

    Its stem is 3x3 with stride 1 and no pooling after it (cifar), or 7x7 with stride 2 and a 3x3 maximum (imagenet).
    """

    def __init__(self, compute: tf.DType, stem: str) -> None:
        self.compute = compute
        self.small = stem == "cifar"
        self.trainable: list[tf.Variable] = []
        self.statistics: list[tf.Variable] = []
        self._random = np.random.default_rng(1)
        self.stem = self._conv_norm(3 if self.small else 7, 3, 64)
        self.blocks: list[tuple[int, list[Any], Any]] = []
        channels = 64
        for width, count, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for index in range(count):
                main = [
                    self._conv_norm(1, channels, width),
                    self._conv_norm(3, width, width),
                    self._conv_norm(1, width, 4 * width),
                ]
                shortcut = self._conv_norm(1, channels, 4 * width) if index == 0 else None
                self.blocks.append((first_stride if index == 0 else 1, main, shortcut))
                channels = 4 * width
        self.head = self._weight(self._random.normal(0, 0.01, (channels, CLASSES)))
        self.bias = self._weight(np.zeros(CLASSES))

    def _weight(self, value: np.ndarray) -> tf.Variable:
        variable = tf.Variable(value.astype(np.float32))
        self.trainable.append(variable)
        return variable

    def _conv_norm(self, size: int, channels: int, filters: int) -> tuple[tf.Variable, ...]:
        scale = (2 / (size * size * channels)) ** 0.5
        kernel = self._weight(self._random.normal(0, scale, (size, size, channels, filters)))
        gamma, beta = self._weight(np.ones(filters)), self._weight(np.zeros(filters))
        mean = tf.Variable(tf.zeros(filters), trainable=False)
        variance = tf.Variable(tf.ones(filters), trainable=False)
        self.statistics += [mean, variance]
        return kernel, gamma, beta, mean, variance

    def _apply(self, x: tf.Tensor, layer: tuple[tf.Variable, ...], stride: int = 1) -> tf.Tensor:
        kernel, gamma, beta, mean, variance = layer
        x = tf.nn.conv2d(x, tf.cast(kernel, self.compute), stride, "SAME")
        y, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=EPSILON, is_training=True
        )
        mean.assign_sub((mean - batch_mean) * (1 - BATCH_NORM_MOMENTUM))
        variance.assign_sub((variance - batch_variance) * (1 - BATCH_NORM_MOMENTUM))
        return y

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Logits [batch, 10] of uint8 images [batch, 32, 32, 3], with the batch's own statistics."""
        scale = 1 / (255 * np.asarray(STD, np.float32))
        x = (tf.cast(images, tf.float32) - 255 * np.asarray(MEAN, np.float32)) * scale
        x = tf.nn.relu(self._apply(tf.cast(x, self.compute), self.stem, 1 if self.small else 2))
        x = x if self.small else tf.nn.max_pool2d(x, 3, 2, "SAME")
        for stride, (first, second, third), shortcut in self.blocks:
            y = tf.nn.relu(self._apply(x, first))
            y = tf.nn.relu(self._apply(y, second, stride))
            y = self._apply(y, third)
            x = tf.nn.relu(y + (x if shortcut is None else self._apply(x, shortcut, stride)))
        pooled = tf.cast(tf.reduce_mean(x, [1, 2]), tf.float32)
        return pooled @ self.head + self.bias


def train_step(
    model: ResNet50, batches: Sequence[tuple[tf.Tensor, tf.Tensor]], jit: bool
) -> Callable[[int], float]:
    """The step: forward, backward and SGD with Nesterov momentum on batch `i`, as one tf.function."""
    slots = [tf.Variable(tf.zeros_like(weight), trainable=False) for weight in model.trainable]

    @tf.function(jit_compile=jit)
    def run(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(images))
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable)
        for weight, slot, gradient in zip(model.trainable, slots, gradients, strict=True):
            decayed = gradient + WEIGHT_DECAY * weight if len(weight.shape) > 1 else gradient
            tf.raw_ops.ResourceApplyMomentum(
                var=weight.handle, accum=slot.handle, lr=0.01, grad=decayed, momentum=0.9, use_nesterov=True
            )
        return loss

    return lambda index: float(run(*batches[index % len(batches)]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python bench/tf_step.py --precision bfloat16 --threads 2"
    )
    parser.add_argument("--stem", choices=("cifar", "imagenet"), default="cifar")
    parser.add_argument("--batch", type=int, default=32, help="images in a step (default 32)")
    parser.add_argument("--threads", type=int, default=2, help="threads of one operation (default 2)")
    parser.add_argument("--interop-threads", type=int, default=2, help="operations at a time (default 2)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--bfloat16-by",
        choices=("grappler", "cast"),
        default="grappler",
        help="who places the casts: TensorFlow's rewriter (default) or the network itself",
    )
    parser.add_argument("--steps", type=int, default=8, help="timed steps (default 8)")
    parser.add_argument("--warmup", type=int, default=3, help="steps before those (default 3)")
    parser.add_argument("--jit", action="store_true", help="compile with XLA")
    measure.add_turns_option(parser)
    args = parser.parse_args()

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.interop_threads)
    by_cast = args.precision == "bfloat16" and args.bfloat16_by == "cast"
    if args.precision == "bfloat16" and not by_cast:
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})

    model = ResNet50(tf.bfloat16 if by_cast else tf.float32, args.stem)
    count = sum(int(np.prod(weight.shape)) for weight in model.trainable)
    if count != PARAMETERS[args.stem]:
        raise RuntimeError(f"this ResNet-50 has {count} parameters, not {PARAMETERS[args.stem]}")
    random = np.random.default_rng(2)
    batches = [
        (
            tf.constant(random.integers(0, 256, (args.batch, IMAGE_SIZE, IMAGE_SIZE, 3)), tf.uint8),
            tf.constant(random.integers(0, CLASSES, args.batch), tf.int32),
        )
        for _ in range(4)
    ]
    step = train_step(model, batches, args.jit)
    times, first_step_ms = measure.time_steps(step, args.warmup, args.steps, measure.turns_of(args))
    measure.print_json(
        {
            "peer": f"TensorFlow {tf.__version__}",
            "threads": args.threads,
            "precision": args.precision,
            **measure.step_report(args.batch, times, first_step_ms),
        }
    )


if __name__ == "__main__":
    main()
