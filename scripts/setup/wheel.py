"""Reads a Python wheel: prints its metadata, or unpacks chosen files and checks each against the wheel's RECORD.

  wheel.py metadata WHEEL
  wheel.py unpack WHEEL FOLDER '{"include": [pattern...], "exclude": [pattern...]}'

Patterns are fnmatch's, where * matches / too. While it unpacks it prints the bytes done, one number a line; the last
line is a JSON list of {"path", "bytes"}. Exit codes: 3 for a damaged or forged wheel, 4 for a full disk.
"""

import base64
import csv
import errno
import fnmatch
import hashlib
import json
import os
import sys
import zipfile

BLOCK = 1 << 20
REPORT_EVERY = 16 << 20


def dist_info(archive, name):
    for entry in archive.namelist():
        if entry.count("/") == 1 and entry.endswith(".dist-info/" + name):
            return archive.read(entry).decode()
    raise ValueError("it has no " + name)


def recorded_digests(archive):
    rows = csv.reader(dist_info(archive, "RECORD").splitlines())
    return {row[0]: row[1] for row in rows if row}


def chosen(name, include, exclude):
    match = fnmatch.fnmatchcase
    return any(match(name, p) for p in include) and not any(match(name, p) for p in exclude)


def unpack(archive, folder, include, exclude):
    digests = recorded_digests(archive)
    files, done, reported = [], 0, 0
    for entry in archive.infolist():
        name = entry.filename
        if entry.is_dir() or not chosen(name, include, exclude):
            continue
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(name + " would be written outside the folder")
        target = os.path.join(folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        digest = hashlib.sha256()
        with archive.open(entry) as source, open(target, "wb") as sink:
            while block := source.read(BLOCK):
                digest.update(block)
                sink.write(block)
                done += len(block)
                if done - reported >= REPORT_EVERY:
                    reported = done
                    print(done, flush=True)
        found = "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        if digests.get(name) != found:
            raise ValueError(f"{name} has {found}, its RECORD says {digests.get(name) or 'nothing'}")
        # ptxas and its like must stay executable.
        os.chmod(target, 0o755 if (entry.external_attr >> 16) & 0o100 else 0o644)
        files.append({"path": name, "bytes": entry.file_size})
    return files


def main():
    command, wheel, *rest = sys.argv[1:]
    try:
        with zipfile.ZipFile(wheel) as archive:
            if command == "metadata":
                print(dist_info(archive, "METADATA"))
            else:
                folder, choice = rest
                print(json.dumps(unpack(archive, folder, **json.loads(choice))))
    except OSError as error:
        print(error, file=sys.stderr)
        return 4 if error.errno == errno.ENOSPC else 1
    except (ValueError, zipfile.BadZipFile, zipfile.zlib.error, EOFError) as error:
        print(error, file=sys.stderr)
        return 3
    return 0


sys.exit(main())
