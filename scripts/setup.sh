#!/usr/bin/env bash
# Installs what the service (`scripts/setup.sh service`) or the whole test suite (`scripts/setup.sh all`) needs.
# Idempotent: says each step, takes seconds when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
scope=${1:-service}
export ONNXRUNTIME_NODE_INSTALL=skip # the CPU provider is in the package; the script would fetch CUDA libraries

step() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

missing_packages() {
  local need=()
  command -v g++ >/dev/null || need+=(g++)
  command -v cmake >/dev/null || need+=(cmake)
  command -v make >/dev/null || need+=(make)
  command -v npm >/dev/null || need+=(npm)
  if [ -z "${FAISS_DIR:-}" ]; then
    [ -e /usr/include/faiss/Index.h ] || need+=(libfaiss-dev)
    ls /usr/lib/*/openblas-*/libblas.so /usr/lib/*/libopenblas.so >/dev/null 2>&1 || need+=(libopenblas-dev)
  fi
  if [ "$scope" = all ]; then
    python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3-venv)
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need+=(postgresql)
    [ -n "${CHROMIUM_PATH:-}" ] || command -v chromium >/dev/null || need+=(chromium)
  fi
  echo "${need[*]:-}"
}

packages=$(missing_packages)
if [ -n "$packages" ]; then
  command -v apt-get >/dev/null ||
    fail "these are missing and this is no Debian or Ubuntu: $packages. Install them by your system's means, then run this again."
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    fail "run this once, then try again:  sudo apt-get update && sudo apt-get install -y --no-install-recommends $packages"
  fi
  step "system packages: $packages"
  as_root apt-get update -qq
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
else
  step "system packages: nothing missing"
fi

if [ ! -x node_modules/.bin/node ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  step "npm packages, with Node $(sed -n 's/.*"node": "\([0-9.]*\)".*/\1/p' package.json | head -n 1)"
  # Not `npm ci`: it refuses the lock file where the registry lacks another platform's optional packages.
  npm install --no-save --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
else
  step "npm packages: up to date"
fi
node_modules/.bin/node --version | grep -q '^v24\.' ||
  fail "node_modules/.bin/node is $(node_modules/.bin/node --version), not 24: delete node_modules and run this again"

step "FAISS binding"
bash native/faiss/build.sh

if [ "$scope" = all ]; then
  generator=clients/typescript/generator
  if [ "$generator/package-lock.json" -nt "$generator/node_modules/.package-lock.json" ]; then
    step "generator of the client's types"
    npm install --prefix "$generator" --no-save --no-audit --no-fund --loglevel=error
    touch "$generator/node_modules/.package-lock.json"
  else
    step "generator of the client's types: up to date"
  fi

  stamp=.venv/.installed
  if [ ! -e "$stamp" ] || [ models/requirements.txt -nt "$stamp" ] || [ test/requirements.txt -nt "$stamp" ] ||
    [ models/pyproject.toml -nt "$stamp" ]; then
    step "Python environment (.venv)"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r models/requirements.txt -r test/requirements.txt
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e models
    touch "$stamp"
  else
    step "Python environment: up to date"
  fi
fi
step "ready"
