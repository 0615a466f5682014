#!/usr/bin/env bash
# Builds native/faiss/build/Release/faiss.node; returns at once when nothing changed.
#   FAISS_DIR=/prefix     a FAISS installation (include/, lib/) instead of the system's
#   FAISS_LIBRARY_NAME=…  faiss (default), faiss_avx2 or faiss_avx512
#   SANITIZE=1            AddressSanitizer build, into build-sanitize/
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
sanitize=${SANITIZE:-0}
faiss_dir=${FAISS_DIR:-}
library=${FAISS_LIBRARY_NAME:-faiss}
build=$here/build
[ "$sanitize" = 0 ] || build=$here/build-sanitize
out=$build/Release/faiss.node
stamp=$build/.built

fail() {
  printf 'native/faiss/build.sh: %s\n' "$*" >&2
  exit 1
}

headers() { # the folder that holds header $2 of npm package $1
  local found=$root/node_modules/$1$3
  [ -e "$found/$2" ] || fail "$1 is not installed: run 'npm ci' in the repository's root first"
  printf '%s' "$found"
}
node_api=$(headers node-api-headers node_api.h /include)
node_addon_api=$(headers node-addon-api napi.h "")

# Two builds at once, such as of two test files, would write over each other.
mkdir -p "$build"
if command -v flock >/dev/null; then
  exec 9>"$build/.lock"
  flock 9
fi

# Everything that the result depends on: a change of any of these builds again.
fingerprint=$(
  {
    printf '%s\n' "$faiss_dir" "$library" "$sanitize" "$here"
    cat "$here"/src/* "$here/CMakeLists.txt" "$node_addon_api/package.json" "$root/node_modules/node-api-headers/package.json"
    if [ -n "$faiss_dir" ]; then
      cat "$faiss_dir/include/faiss/Index.h" 2>/dev/null || true
    else
      cat /usr/include/faiss/Index.h /usr/local/include/faiss/Index.h 2>/dev/null || true
    fi
  } | cksum
)
if [ -e "$out" ] && [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$fingerprint" ]; then
  exit 0
fi

command -v cmake >/dev/null || fail "cmake is missing: apt-get install cmake"
command -v g++ >/dev/null || command -v c++ >/dev/null || fail "a C++ compiler is missing: apt-get install g++"
if [ -n "$faiss_dir" ]; then
  [ -e "$faiss_dir/include/faiss/Index.h" ] || fail "FAISS_DIR=$faiss_dir holds no include/faiss/Index.h"
elif [ ! -e /usr/include/faiss/Index.h ] && [ ! -e /usr/local/include/faiss/Index.h ]; then
  fail "FAISS is missing: apt-get install libfaiss-dev libopenblas-dev (or set FAISS_DIR to an installation of it)"
fi

log=$build/build.log
if ! {
  cmake -S "$here" -B "$build/cmake" \
    -DFAISS_DIR="$faiss_dir" -DFAISS_LIBRARY_NAME="$library" -DSANITIZE="$([ "$sanitize" = 0 ] && echo OFF || echo ON)" \
    -DNODE_API_INCLUDE="$node_api" -DNODE_ADDON_API_INCLUDE="$node_addon_api" \
    -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$build/Release" &&
    cmake --build "$build/cmake" --parallel 2
} >"$log" 2>&1; then
  grep -E 'error|Error|Could NOT|NOTFOUND' "$log" | head -n 40 >&2 || true
  fail "the build failed; the whole log is $log"
fi
printf '%s' "$fingerprint" >"$stamp"
