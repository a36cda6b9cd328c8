"""Makes data/sample/cifar10-sample.tar.xz from the archive of all CIFAR-10 JPEGs, for maintainers.

    python3 scripts/make-sample.py cifar10-jpeg.tar.xz

The first 800 training and 200 test images of each class, their bytes untouched. The same archive gives the same file.
"""

import io
import lzma
import pathlib
import re
import sys
import tarfile

FIRST = {"train": 800, "test": 200}
OUT = pathlib.Path(__file__).parent.parent / "data" / "sample" / "cifar10-sample.tar.xz"


def chosen(name: str) -> bool:
    match = re.fullmatch(r"(train|test)/[a-z]+/(\d+)\.jpg", name)
    return match is not None and int(match[2]) < FIRST[match[1]]


def main(archive: str) -> None:
    with tarfile.open(archive) as source:
        images = {m.name: source.extractfile(m).read() for m in source if chosen(m.name)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as sample:
        for name in sorted(images):
            member = tarfile.TarInfo(name)
            member.size = len(images[name])
            sample.addfile(member, io.BytesIO(images[name]))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{OUT}: {len(images)} images, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 scripts/make-sample.py cifar10-jpeg.tar.xz")
    main(sys.argv[1])
