#!/usr/bin/env bash
# Build the wheel, install it alone, and map a frame with it: finds missing files and undeclared dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/environment.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" . 2>/dev/null \
    || uv build --quiet --wheel --out-dir "$folder" .
make_environment "$folder/venv" "$folder"/*.whl
cd "$folder"
CLAUDE_PARALLEL_HOME="$folder" venv/bin/python - <<'PY'
import claude_parallel as cp

with cp.simulator():
    frame = cp.map(["one", "two"], progress=False)
assert frame["response_error"].isna().all(), frame
assert len(cp.demo_tickets()) == 200 and len(cp.demo_tickets(photos=True)) == 8
print("the wheel works alone")
PY
