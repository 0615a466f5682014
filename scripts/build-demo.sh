#!/usr/bin/env bash
# Makes demo/ anew: renders a city of Null Island that no training saw, builds its region with the released model, and keeps the
# queries as samples. `scripts/build-demo.sh [SEED]`; needs `make setup-all` once.
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-77}
world=out/demo
.venv/bin/python -m null_island build --config models/configs/null_island/demo.yaml --seed "$seed" --out "$world"

rm -rf demo/view-set demo/store
mkdir -p demo/view-set/images
header=$(head -n 1 "$world/demo/queries.csv")
printf '%s\n' "$header" >demo/view-set/queries.csv
for split in demo out_of_area; do
  # the same name may stand in both splits
  tail -n +2 "$world/$split/queries.csv" | sed -E "s#^([^,]*),images/#${split}_\1,images/${split}_#" >>demo/view-set/queries.csv
  for image in "$world/$split"/images/*_panorama_*.jpg "$world/$split"/images/*_photo_*.jpg; do
    cp "$image" "demo/view-set/images/${split}_$(basename "$image")"
  done
done
cp "$world/demo/world.json" demo/view-set/world.json

GEO2_THREADS=$(nproc) GEO2_STORE="file://$PWD/demo/store" bin/geo2 region build --from "$world/demo" --id null-island-demo --version "seed-$seed" \
  --licence CC0-1.0 --attribution 'Null Island (synthetic)' --publish
du -sh demo
