#!/usr/bin/env bash
# The suite on pandas 2.2, without the kernel and browser tests, which do not depend on it.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/environment.sh
make_environment .ci/venvs/pandas2 -e . 'pandas>=2.2,<2.3' 'numpy<2.4' hypothesis pytest pyarrow pillow matplotlib ipywidgets rapidfuzz
.ci/venvs/pandas2/bin/python -m pytest -q --ignore tests/kernels --ignore tests/browser
