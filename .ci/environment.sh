# shellcheck shell=bash
# make_environment FOLDER REQUIREMENT...: a virtual environment with uv when it is there, else with venv and pip.
# install_into FOLDER REQUIREMENT...: more packages for one that is there.

python=${PYTHON:-.venv/bin/python}

install_into() {
    local folder=$1
    shift
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python "$folder/bin/python" "$@"
    else
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    fi
}

make_environment() {
    local folder=$1
    shift
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --allow-existing --python "$python" "$folder"
    else
        "$python" -m venv "$folder"
    fi
    install_into "$folder" "$@"
}
