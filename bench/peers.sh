#!/usr/bin/env bash
# Installs the peers (PyTorch, TensorFlow) into a virtual environment of their own, for bench/compare.mjs.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: bench/peers.sh [pip options]

Makes a virtual environment with the packages of bench/requirements.txt in bench/.venv, or in $LOCKSTEP_PEERS.
Running it again is harmless. About 6 GB of disk. Needs Python 3.10 to 3.13; $PYTHON chooses one.

Example:
  LOCKSTEP_PEERS=/tmp/peers/venv bench/peers.sh --find-links /tmp/wheels
TEXT
}

case "${1:-}" in
  -h | --help)
    usage
    exit 0
    ;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${LOCKSTEP_PEERS:-$here/.venv}

# pyenv leaves shims on PATH for versions that are not active, so a name alone proves nothing: ask each one.
works() {
  "$1" -c 'import sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3.12 python3.13 python3.11 python3.10 python3; do
    if command -v "$candidate" >/dev/null && works "$candidate"; then
      python=$candidate
      break
    fi
  done
fi
if [ -z "$python" ] || ! works "$python"; then
  echo "bench/peers.sh: no Python 3.10 to 3.13 with the venv module was found; name one with PYTHON=/path/to/python3" >&2
  exit 1
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/pip" install --disable-pip-version-check "$@" -r "$here/requirements.txt"
TF_CPP_MIN_LOG_LEVEL=3 "$venv/bin/python" -c '
import tensorflow, torch
print(f"peers ready: torch {torch.__version__}, tensorflow {tensorflow.__version__}")' 2>/dev/null
