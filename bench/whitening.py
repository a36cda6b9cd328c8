"""Computes the filters of the `airbench` encoder's first layer: src/shared/model/whitening.ts.

They whiten the 2x2 patches of CIFAR-10's training images, normalised with Lockstep's default mean and deviation: the
eigenvectors of the patches' covariance, each over the root of its eigenvalue (Jordan 2024, section 3.2).

Example:
  npx lockstep data import cifar-10-binary.tar.gz
  bench/.venv/bin/python bench/whitening.py ~/.cache/lockstep/cifar10/train.images.bin > src/shared/model/whitening.ts
"""

import sys

import numpy as np

MEAN = np.array([0.4914, 0.4822, 0.4465])
STD = np.array([0.247, 0.2435, 0.2616])
# Twenty times that of airbench: JPEG leaves nothing but its own noise in the weakest directions.
EPSILON = 1e-2
HEADER = """/**
 * Whitening filters of 2x2 patches [row][column][channel][filter]: made by bench/whitening.py from CIFAR-10's training
 * images. The rows are the 12 values of a patch in the order of a kernel HWIO, the columns are the filters.
 */
export const whiteningFilters: readonly (readonly number[])[] = ["""


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    images = np.fromfile(sys.argv[1], np.uint8).reshape(-1, 32, 32, 3) / 255
    images = (images - MEAN) / STD
    pieces = [images[:, y : 31 + y, x : 31 + x] for y in (0, 1) for x in (0, 1)]
    covariance = np.zeros((12, 12))
    for row, a in enumerate(pieces):
        for column, b in enumerate(pieces):
            products = np.einsum("nhwc,nhwd->cd", a, b, optimize=True)
            covariance[3 * row : 3 * row + 3, 3 * column : 3 * column + 3] = products / a[..., 0].size
    values, vectors = np.linalg.eigh(covariance)
    # A vector's sign is arbitrary: its largest entry is positive here. The strongest comes first.
    largest = np.abs(vectors).argmax(0)
    vectors = vectors * np.sign(vectors[largest, range(12)])
    filters = (vectors / np.sqrt(values + EPSILON))[:, ::-1]
    print(HEADER)
    for row in filters:
        print(f"  [{', '.join(f'{value:.4f}' for value in row)}],")
    print("];")


main()
