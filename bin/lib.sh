# shellcheck shell=bash
# Shared by the commands in bin/: messages, Debian packages, Python environments. Sourced, not run.

# The root of the checkout, from this file's own place.
PROJECT_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE_DIR=${MONSTERSTACK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/monsterstack}
export PROJECT_DIR CACHE_DIR
# Ansible refuses to start in a locale without UTF-8, and tools are parsed in English.
export LC_ALL=C.UTF-8

# say TEXT…: one line with the seconds since the command began.
say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# step TEXT…: a headline before a longer piece of work.
step() { printf '\n[%4ds] == %s\n' "$SECONDS" "$*"; }

# die TEXT…: what is wrong and what to do, in one sentence; ends the command with 1.
die() {
  printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
  exit 1
}

# _missing_packages NAME…: prints those Debian packages that are not installed.
_missing_packages() {
  local name state
  for name in "$@"; do
    # dpkg-query answers 1 for a name it has never heard of: that is "missing", no failure.
    state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null || true)
    [[ $state == ii* || $state == hi* ]] || printf '%s\n' "$name"
  done
}

# ensure_packages FILE|NAME…: installs the missing ones of these Debian packages. A FILE (an
# argument with a slash) lists one package a line, # begins a comment. Daemons are not started.
ensure_packages() {
  local argument names=() missing=()
  for argument in "$@"; do
    if [[ $argument == */* ]]; then
      [[ -r $argument ]] || die "the package list $argument cannot be read."
      mapfile -t -O "${#names[@]}" names < <(sed 's/#.*//' "$argument" | tr -s '[:space:]' '\n' | sed '/^$/d')
    else
      names+=("$argument")
    fi
  done
  command -v apt-get dpkg-query >/dev/null ||
    die "this command installs Debian packages (${names[*]}) but finds no apt-get: use a Debian machine."
  mapfile -t missing < <(_missing_packages "${names[@]}")
  ((${#missing[@]})) || return 0
  ((EUID == 0)) ||
    die "the packages ${missing[*]} are missing: run 'apt-get install ${missing[*]}' as root, then this command again."
  say "installing the Debian packages ${missing[*]}" >&2
  _apt_install "${missing[@]}" ||
    die "apt-get could not install ${missing[*]}: its messages are above."
}

# _apt_install NAME…: one installer at a time; its messages are shown if it fails. The freshly
# installed daemons stay off: what needs one (a registry, a redis) starts its own where it wants it.
_apt_install() (
  policy=/usr/sbin/policy-rc.d log=$CACHE_DIR/apt.log
  mkdir -p "$CACHE_DIR"
  exec 9>"$CACHE_DIR/apt.lock"
  flock 9
  if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends)
  # The package lists may be old or empty: only then the archive is asked for new ones.
  "${apt[@]}" install "$@" >"$log" 2>&1 ||
    { "${apt[@]}" update && "${apt[@]}" install "$@"; } >"$log" 2>&1 ||
    { cat "$log" >&2 && exit 1; }
)

# find_python [VERSION]: prints the newest Python from 3.11 to 3.14 that can make virtual
# environments, or exactly VERSION (such as 3.11); 1 when there is none.
# Looks in PATH and among pyenv's versions.
find_python() {
  local wanted=${1:-} path version
  while read -r version path; do
    [[ -z $wanted || $version == "$wanted" ]] || continue
    # A half-built Python or Debian's without python3-venv has no ensurepip, ssl or zlib.
    if "$path" -c 'import ensurepip, ssl, venv, zlib' >/dev/null 2>&1; then
      printf '%s\n' "$path"
      return 0
    fi
  done < <(_python_candidates | sort -t. -k2,2nr -s)
  return 1
}

# _python_candidates: lines "3.NN PATH", unsorted. Only /usr/bin/python3 needs to be asked its version.
_python_candidates() {
  local minor path
  for minor in 14 13 12 11; do
    for path in "$HOME"/.pyenv/versions/3."$minor".*/bin/python3."$minor" "$(type -P "python3.$minor")"; do
      [[ -n $path && -x $path ]] && printf '3.%s %s\n' "$minor" "$path"
    done
  done
  return 0
}

# ensure_venv [NAME] [VERSION]: makes or reuses the virtual environment NAME and puts it first in
# PATH. NAME is controller (the default: requirements.txt) or any NAME of a
# tests/requirements-NAME.txt; VERSION is a Python version such as 3.11, else the newest found.
# A new lock file or another Python makes a new environment. Safe for two callers at once.
ensure_venv() {
  local name=${1:-controller} version=${2:-} lock python key venv
  lock=$PROJECT_DIR/tests/requirements-$name.txt
  [[ $name == controller ]] && lock=$PROJECT_DIR/requirements.txt
  [[ -r $lock ]] || die "there is no lock file $lock for the Python environment '$name'."
  if ! python=$(find_python "$version"); then
    if [[ -z $version ]] && command -v apt-get >/dev/null; then
      ensure_packages python3 python3-venv
    fi
    python=$(find_python "$version") ||
      die "no Python ${version:-3.11 or newer} with venv was found in PATH or in ~/.pyenv: install one."
  fi
  key=$({ readlink -f "$python" && cat "$lock"; } | sha256sum | cut -c1-12)
  venv=$CACHE_DIR/venv/$name-$key
  # The stamp comes last, so a half-made environment is never used.
  if [[ ! -e $venv/complete || ! -x $venv/bin/python ]]; then
    _build_venv "$venv" "$python" "$lock" ||
      die "the Python environment '$name' could not be made in $venv: pip's messages are above."
  fi
  export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
  hash -r
}

# _build_venv VENV PYTHON LOCK
_build_venv() (
  mkdir -p "$(dirname "$1")" && exec 9>"$1.lock" && flock 9 || exit 1
  [[ ! -e $1/complete || ! -x $1/bin/python ]] || exit 0 # another caller was quicker
  say "making the Python environment $(basename "$1") with $("$2" --version), about a minute" >&2
  # Compiling all of Ansible's collections would double the time: Python compiles what it uses.
  rm -rf "$1" && "$2" -m venv "$1" &&
    "$1/bin/python" -m pip -qq --disable-pip-version-check install --no-compile \
      --require-hashes --only-binary :all: -r "$3" >&2 &&
    touch "$1/complete"
)
