# What scripts/check and scripts/demo share: finding Pythons, and making the environments in which things run.
#
# To be sourced by bash, in the directory of the checkout. Nothing happens by that alone.
# shellcheck shell=bash

readonly oldest_minor=11 # as in requires-python

minor_of() { # the minor version of a Python that runs, can make environments, and is not too old; else nothing
    "$1" -c '
import sys, venv, ensurepip
if sys.version_info >= (3, int(sys.argv[1])) and sys.implementation.name == "cpython":
    print(sys.version_info.minor)
' "$oldest_minor" 2>/dev/null
}

declare -A python_of # minor version -> path
find_pythons() {
    local directory candidate minor
    local directories=()
    IFS=: read -r -a directories <<<"$PATH"
    for directory in "${directories[@]}" "$HOME"/.pyenv/versions/*/bin; do
        for candidate in "$directory"/python3 "$directory"/python3.[0-9]*; do
            [[ -x $candidate && ! $candidate =~ -config$ ]] || continue
            minor=$(minor_of "$candidate") || continue
            if [ -n "$minor" ] && [ -z "${python_of[$minor]:-}" ]; then
                python_of[$minor]=$candidate
            fi
        done
    done
}

stamp_of() { # what an environment depends on: when it changes, the environment is out of date
    printf '%s %s %s' "$PWD" "$2" "$("$1" -c '
import hashlib, sys
print(sys.version.split()[0], hashlib.sha256(open("pyproject.toml", "rb").read()).hexdigest())
')"
}

environment() { # environment DIRECTORY PYTHON [EXTRA]: make it, or bring it up to date
    local directory=$1 python=$2 extra=${3:-} stamp
    if ! "$directory/bin/python" -c '' 2>/dev/null; then
        printf '\n== %s: a new environment of %s\n' "$directory" "$python"
        "$python" -m venv --clear "$directory" || return 1
    fi
    stamp=$(stamp_of "$directory/bin/python" "$extra")
    if [ "$(cat "$directory/.stamp" 2>/dev/null)" != "$stamp" ]; then
        printf '\n== %s: installing\n' "$directory"
        "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -e ".${extra:+[$extra]}" || return 1
        printf '%s' "$stamp" >"$directory/.stamp"
    fi
}

venv() { # venv EXTRA: make .venv, or bring it up to date; sets `oldest`, the minor version of its Python
    find_pythons
    # An environment that is there and new enough is used as it is, be its Python the oldest or not.
    oldest=$(minor_of .venv/bin/python)
    if [ -z "$oldest" ]; then oldest=$(printf '%s\n' "${!python_of[@]}" | sort -n | head -n 1); fi
    if [ -z "$oldest" ]; then
        echo "no Python >= 3.$oldest_minor with the modules venv and ensurepip: not in PATH, not in ~/.pyenv" >&2
        return 1
    fi
    if ! environment .venv "${python_of[$oldest]:-}" "${1:-}"; then
        echo "the environment in .venv could not be made; what went wrong stands above" >&2
        return 1
    fi
}
