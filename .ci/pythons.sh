#!/usr/bin/env bash
# On the newest other Python that this machine has, from PATH or pyenv: each warns of other things, and warnings are errors here.
# All tests but those of whole runs on virtual time (stories, batch), kernels, browsers, clusters and the wall clock.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/environment.sh
ours=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for version in 3.14 3.13 3.12 3.11; do
    [ "$version" = "$ours" ] && continue
    for found in "$(command -v "python$version" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
        "$found" -c 'import venv, sqlite3, ssl' 2>/dev/null || continue
        echo "on Python $version"
        python=$found make_environment ".ci/venvs/python$version" -e ".[dev]"
        exec ".ci/venvs/python$version/bin/python" -m pytest -q -n auto -m "not wall_clock and not kernel and not browser" \
            --ignore tests/dask --ignore tests/stories --ignore tests/batch
    done
done
echo "skipped: this machine has no Python but $ours"
