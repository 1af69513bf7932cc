# shellcheck shell=bash
# make_environment FOLDER REQUIREMENT...: a virtual environment with uv when it is there, else with venv and pip.

python=${PYTHON:-.venv/bin/python}

make_environment() {
    local folder=$1
    shift
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --allow-existing --python "$python" "$folder"
        uv pip install --quiet --python "$folder/bin/python" "$@"
    else
        "$python" -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    fi
}
