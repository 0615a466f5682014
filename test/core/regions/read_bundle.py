"""Reads a region bundle with the libraries that others read it with; prints what they found as JSON."""

import json
import sys
from pathlib import Path

import geopandas
import pyarrow.parquet
import pystac
from pmtiles.reader import MmapSource, Reader, all_tiles


def main(bundle: Path) -> None:
    collection = pystac.Collection.from_file(str(bundle / "collection.json"))
    table = pyarrow.parquet.read_table(bundle / "tiles.parquet")
    frame = geopandas.read_parquet(bundle / "tiles.parquet")
    with open(bundle / "imagery.pmtiles", "rb") as file:
        source = MmapSource(file)
        header = Reader(source).header()
        zooms = sorted({zoom for (zoom, _, _), _ in all_tiles(source)})
    found = {
        "id": collection.id,
        "bbox": list(collection.extent.spatial.bboxes[0]),
        "assets": sorted(collection.assets),
        "columns": table.column_names,
        "rows": table.num_rows,
        "total_bounds": [float(edge) for edge in frame.total_bounds],
        "all_valid": bool(frame.geometry.is_valid.all()),
        "crs": frame.crs.to_epsg() or str(frame.crs),
        "tile_type": header["tile_type"].name,
        "zooms": zooms,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
