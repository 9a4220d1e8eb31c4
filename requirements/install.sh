#!/usr/bin/env bash
# Makes .venv and installs one of the pinned sets into it: `bash requirements/install.sh runtime|dev`.
# Says nothing and starts no pip when that has been done already: a stamp holds what was installed.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."

set_name=${1:-}
case $set_name in
    runtime) sets=(runtime) ;;
    dev) sets=(dev runtime) ;; # dev.txt holds all of runtime.txt
    *) echo "Say which set to install: bash requirements/install.sh runtime|dev" >&2; exit 2 ;;
esac

venv=.venv
stamps=$venv/.stamps
log=.cache/install.log

die() {
    printf '%s\n' "$@" >&2
    exit 1
}

# What a stamp must say: the file's content, and the folder (a moved virtual environment has wrong paths inside).
wanted() {
    printf '%s %s\n' "$(sha256sum <"$1" | cut -d' ' -f1)" "$PWD"
}

is_done() {
    [ -f "$stamps/$1" ] && [ "$(wanted "$2")" = "$(cat "$stamps/$1")" ]
}

all_done() {
    is_done "$set_name" "requirements/$set_name.txt" && is_done project pyproject.toml && "$venv/bin/python" -c '' 2>/dev/null
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or newer." \
            "Name one that is: make up PYTHON=python3.12"
        echo "$PYTHON"
        return
    fi
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    die "Gristmill needs Python 3.11 or newer, and python3 here is: $(python3 --version 2>&1 || true)" \
        "Install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv), or name it: make up PYTHON=/path/to/python3.11"
}

make_venv() {
    local python version
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python (Python $version) cannot make virtual environments: its venv module is not installed." \
        "Install it (Debian, Ubuntu: apt-get install python$version-venv), or name another Python: make up PYTHON=python3.12"
    echo "Making .venv with Python $version"
    rm -rf "$venv"
    "$python" -m venv "$venv" >"$log" 2>&1 || { cat "$log" >&2; die "The virtual environment could not be made; the lines above say why."; }
    mkdir -p "$stamps"
}

# Turns pip's lines into one moving line on a terminal, and into a few lines elsewhere.
show_progress() {
    local total=$1 looked=0 fetched=0 line text
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        case $line in
            Collecting\ * | Requirement\ already*) looked=$((looked + 1)); text="looked up $looked of $total" ;;
            *Downloading\ *.metadata* | *Using\ cached\ *.metadata*) continue ;;
            *Downloading\ * | *Using\ cached\ *) fetched=$((fetched + 1)); text="downloaded $fetched of $total" ;;
            Installing\ collected*) text="unpacking $total packages" ;;
            *) continue ;;
        esac
        if [ -t 1 ]; then
            printf '\r\033[K  %s' "$text"
        elif [ "$((looked % 25))" = 0 ] || [[ $text == unpacking* ]]; then
            printf '  %s\n' "$text"
        fi
    done
    if [ -t 1 ]; then printf '\r\033[K'; fi
}

pip_install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off "$@" 2>&1
}

install_set() {
    local file=requirements/$set_name.txt total
    total=$(grep -cE '^[A-Za-z0-9]' "$file")
    echo "Installing $total packages of $file (only this once; pip's output is in $log)"
    : >"$log"
    if ! pip_install --require-hashes -r "$file" | show_progress "$total"; then
        tail -n 15 "$log" >&2
        die "pip could not install $file; the lines above say why, $log has all of them." \
            "Without a network, or behind a proxy or a mirror: set pip up for it (pip config), then run the same command again."
    fi
}

install_project() {
    if ! pip_install --no-deps --no-build-isolation --quiet --editable . >"$log"; then
        tail -n 15 "$log" >&2
        die "The project itself could not be installed into .venv; the lines above say why."
    fi
}

if all_done; then exit 0; fi

may_write() {
    mkdir -p .cache 2>/dev/null && { : >>.cache/install.lock; } 2>/dev/null && { [ ! -e "$venv" ] || [ -w "$venv" ]; }
}

may_write || die "$(id -un) may not write to $PWD, where .venv belongs." \
    "Run make as the folder's owner ($(stat -c %U .)), or give the folder away: chown -R $(id -un) ."
exec 9>>.cache/install.lock
if command -v flock >/dev/null; then
    flock -w 600 9 || die "Another make has been installing into .venv for 10 minutes; stop it, then try again."
fi
if all_done; then exit 0; fi # the other make did it

is_usable() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 && grep -qsxF "$PWD" "$stamps/folder"
}

if ! is_usable; then
    make_venv
    printf '%s\n' "$PWD" >"$stamps/folder"
fi
if ! is_done "$set_name" "requirements/$set_name.txt"; then
    install_set
    for name in "${sets[@]}"; do wanted "requirements/$name.txt" >"$stamps/$name"; done
    rm -f "$stamps/project" # its metadata name what its extras bring
fi
if ! is_done project pyproject.toml; then
    install_project
    wanted pyproject.toml >"$stamps/project"
fi
