#!/usr/bin/env bash
# Interrupts and maps in the kernels of older ipykernels: 6.31, the last without subshells, and 7.0, the first with them.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/environment.sh
for version in 6.31.0 7.0.1; do
    folder=.ci/venvs/ipykernel-$version
    make_environment "$folder" -e . "ipykernel==$version" hypothesis ipywidgets jupyter-client nest-asyncio nest-asyncio2 pytest pytest-rerunfailures
    "$folder/bin/python" -m pytest tests/kernels -q -m kernel -k "interrupt or await or sync"
done
