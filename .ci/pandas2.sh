#!/usr/bin/env bash
# On pandas 2.2: the tests of everything that touches a frame. The rest does not depend on it, nor do the gate's worlds,
# which have no frame in them.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/environment.sh
make_environment .ci/venvs/pandas2 -e ".[dev]" 'pandas>=2.2,<2.3' 'numpy<2.4'
.ci/venvs/pandas2/bin/python -m pytest -q -n auto tests/background tests/cli tests/frames tests/report tests/stories tests/tables tests/trust \
    tests/test_polars.py tests/test_polars_lazy.py tests/test_public.py --deselect tests/stories/test_gate_runs.py --deselect tests/stories/test_gate_sweep.py
