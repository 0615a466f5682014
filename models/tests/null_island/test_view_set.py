import math

import numpy as np
import pytest
from built_world import BuiltWorld, rows
from PIL import Image

from null_island.frame import EARTH_RADIUS_M, CityFrame

SPLITS = ("train", "val", "same_area", "cross_area", "cross_style", "out_of_area", "calibration_out_of_area", "pretrain")
GALLERIES = tuple(name for name in SPLITS if "out_of_area" not in name)
FOCAL_LENGTH_IN_35MM_FILM = 0xA405


def great_circle_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    a1, a2, dlon = math.radians(lat1), math.radians(lat2), math.radians(lon2 - lon1)
    h = math.sin((a2 - a1) / 2) ** 2 + math.cos(a1) * math.cos(a2) * math.sin(dlon / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(h))


def centre(tile: dict[str, str]) -> tuple[float, float]:
    return (float(tile["west"]) + float(tile["east"])) / 2, (float(tile["south"]) + float(tile["north"])) / 2


def covers(tile: dict[str, str], query: dict[str, str]) -> bool:
    lon, lat = float(query["lon"]), float(query["lat"])
    return float(tile["west"]) <= lon <= float(tile["east"]) and float(tile["south"]) <= lat <= float(tile["north"])


def test_the_configuration_has_the_splits_that_are_tested_here(world: BuiltWorld):
    assert sorted(world.splits()) == sorted(SPLITS)


@pytest.mark.parametrize("split", SPLITS)
def test_tables_have_the_columns_that_readers_expect(world: BuiltWorld, split: str):
    folder = world.folder / split
    assert (folder / "tiles.csv").read_text().splitlines()[0] == "tile_id,image,west,south,east,north"
    assert (folder / "queries.csv").read_text().splitlines()[0] == "query_id,image,kind,lon,lat,heading_deg,fov_deg,split"
    assert (folder / "poses.csv").read_text().splitlines()[0] == "query_id,city,cluster,x_m,y_m,z_m,heading_deg,pitch_deg,roll_deg,hfov_deg"
    for name, key in (("tiles", "tile_id"), ("queries", "query_id"), ("poses", "query_id")):
        ids = [row[key] for row in rows(folder / f"{name}.csv")]
        assert len(set(ids)) == len(ids)
    assert [row["query_id"] for row in world.queries(split)] == list(world.poses(split))


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_holds_as_many_tiles_and_queries_as_the_configuration_asks(world: BuiltWorld, split: str):
    asked = world.config.split(split)
    kinds = [row["kind"] for row in world.queries(split)]
    assert (kinds.count("panorama"), kinds.count("photo")) == (asked.panoramas, asked.photos)
    assert len(world.tiles(split)) == (asked.cities * asked.tiles_per_side**2 if asked.gallery else 0)
    assert {row["split"] for row in world.queries(split)} == {split}


@pytest.mark.parametrize("split", SPLITS)
def test_every_image_exists_in_its_size_and_no_other_file_lies_about(world: BuiltWorld, split: str):
    config, folder = world.config, world.folder / split
    expected = {"tiles.csv", "queries.csv", "poses.csv", "world.json"}
    long_side = config.photo_long_side_px
    for tile in world.tiles(split):
        assert Image.open(folder / tile["image"]).size == (config.tile_px, config.tile_px)
        expected.add(tile["image"])
    for query in world.queries(split):
        size = Image.open(folder / query["image"]).size
        if query["kind"] == "panorama":
            assert size == (config.panorama_width_px, config.panorama_height_px)
        else:
            assert size in ((long_side, long_side * 3 // 4), (long_side * 3 // 4, long_side))
        expected.add(query["image"])
    if config.split(split).depth:
        views = [f"tile_{t['tile_id']}" for t in world.tiles(split)] + [q["query_id"] for q in world.queries(split)]
        for view in views:
            assert world.image(split, f"depth/{view}.png").dtype == np.uint16
            assert world.classes(split, view).dtype == np.uint8
        expected |= {f"{kind}/{view}.png" for view in views for kind in ("depth", "classes")}
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == expected


@pytest.mark.parametrize("split", SPLITS)
def test_world_json_says_what_built_it(world: BuiltWorld, split: str):
    said = world.description(split)
    assert (said["version"], said["seed"], said["metres_per_tile"], said["tile_px"]) == ("1.0.0", 7, 70.0, 128)
    assert said["split"]["name"] == split and len(said["cities"]) == world.config.split(split).cities
    assert said["classes"]["6"] == "building" and said["classes"]["255"] == "sky"


@pytest.mark.parametrize("split", GALLERIES)
def test_tiles_are_70_metres_wide_35_metres_apart_and_near_0_north_0_east(world: BuiltWorld, split: str):
    centres = {}
    for tile in world.tiles(split):
        west, south, east, north = (float(tile[side]) for side in ("west", "south", "east", "north"))
        assert -1.1 < west < east < 1.1 and -1.1 < south < north < 1.1
        assert great_circle_m(west, south, west, north) == pytest.approx(70, abs=0.002)
        assert great_circle_m(west, south, east, south) == pytest.approx(70, abs=0.002)
        city, row, column = tile["tile_id"].split("_")
        centres[city, int(row[1:]), int(column[1:])] = centre(tile)
    for (city, row, column), (lon, lat) in centres.items():
        if (city, row, column + 1) in centres:
            east = centres[city, row, column + 1]
            assert east[0] > lon and great_circle_m(lon, lat, *east) == pytest.approx(35, abs=0.002)
        if (city, row + 1, column) in centres:
            north = centres[city, row + 1, column]
            assert north[1] > lat and great_circle_m(lon, lat, *north) == pytest.approx(35, abs=0.002)


def test_the_halves_that_two_tiles_share_are_the_same_pixels(world: BuiltWorld):
    def pixels(folder: str, row: int, column: int, suffix: str) -> np.ndarray:
        return world.image("train", f"{folder}/tile_c01_r{row:03d}_c{column:03d}.{suffix}").astype(int)

    for folder in ("depth", "classes"):
        for row, column in ((0, 0), (2, 3), (4, 4)):
            here = pixels(folder, row, column, "png")
            assert (here[:, 64:] == pixels(folder, row, column + 1, "png")[:, :64]).all()
            assert (here[:64] == pixels(folder, row + 1, column, "png")[64:]).all()
    for row, column in ((0, 0), (2, 3), (4, 4)):
        # a JPEG repeats its blocks of 16 px; only their chroma bleeds over the seam
        here = pixels("images", row, column, "jpg")
        assert (here[:, 66:126] == pixels("images", row, column + 1, "jpg")[:, 2:62]).all()
        assert (here[2:62] == pixels("images", row + 1, column, "jpg")[66:126]).all()


@pytest.mark.parametrize("split", GALLERIES)
def test_queries_lie_between_the_outermost_tile_centres_and_off_centre(world: BuiltWorld, split: str):
    poses, offsets = world.poses(split), []
    for query in world.queries(split):
        prefix = f"c{int(poses[query['query_id']]['city']):02d}_"
        tiles = [t for t in world.tiles(split) if t["tile_id"].startswith(prefix)]
        lon, lat = float(query["lon"]), float(query["lat"])
        lons, lats = zip(*(centre(t) for t in tiles), strict=True)
        if world.config.split(split).cluster_size == 1:
            assert min(lons) - 1e-8 <= lon <= max(lons) + 1e-8 and min(lats) - 1e-8 <= lat <= max(lats) + 1e-8
        assert any(covers(t, query) for t in tiles)
        offsets.append(min(great_circle_m(lon, lat, *centre(t)) for t in tiles))
    assert max(offsets) < 17.5 * math.sqrt(2) + 16
    assert np.mean(np.array(offsets) > 3) > 0.8 and np.mean(offsets) > 8


@pytest.mark.parametrize("split", ["out_of_area", "calibration_out_of_area"])
def test_queries_of_nowhere_lie_in_no_tile_of_any_split(world: BuiltWorld, split: str):
    assert world.tiles(split) == []
    every = [tile for other in GALLERIES for tile in world.tiles(other)]
    for query in world.queries(split):
        assert not any(covers(tile, query) for tile in every)


def test_cities_of_two_splits_are_kilometres_apart_unless_they_share_them(world: BuiltWorld):
    places = [(s, c["lon0"], c["lat0"]) for s in SPLITS if s != "same_area" for c in world.description(s)["cities"]]
    for n, (_, lon, lat) in enumerate(places):
        for _, lon2, lat2 in places[:n]:
            assert great_circle_m(lon, lat, lon2, lat2) > 5000


def test_the_same_area_has_the_tiles_of_training_with_other_queries_and_other_imagery(world: BuiltWorld):
    trained = {t["tile_id"]: t for t in world.tiles("train")}
    differences = []
    for tile in world.tiles("same_area"):
        assert tile == trained[tile["tile_id"]]
        differences.append(np.abs(world.image("same_area", tile["image"]).astype(int) - world.image("train", tile["image"])).mean())
    assert min(differences) > 2, "the imagery was taken at another time"
    assert {(q["lon"], q["lat"]) for q in world.queries("same_area")}.isdisjoint((q["lon"], q["lat"]) for q in world.queries("train"))


def test_views_of_a_cluster_stand_a_few_metres_apart(world: BuiltWorld):
    clusters: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for name, pose in world.poses("pretrain").items():
        clusters.setdefault((pose["city"], name.split("_")[1], pose["cluster"]), []).append((float(pose["x_m"]), float(pose["y_m"])))
    assert [len(members) for members in clusters.values()] == [2] * 8
    for a, b in clusters.values():
        assert 4 - 0.8 <= math.dist(a, b) <= 15 + 0.8


@pytest.mark.parametrize("split", SPLITS)
def test_the_stated_position_is_the_pose_in_degrees(world: BuiltWorld, split: str):
    poses = world.poses(split)
    for query in world.queries(split):
        pose = poses[query["query_id"]]
        x_m, y_m = world.frame(split, int(pose["city"])).to_metres(float(query["lon"]), float(query["lat"]))
        assert (x_m, y_m) == pytest.approx((float(pose["x_m"]), float(pose["y_m"])), abs=0.001)


def test_the_stated_heading_is_the_poses_within_a_compass_error_of_two_degrees(world: BuiltWorld):
    errors: dict[str, list[float]] = {"panorama": [], "photo": []}
    for split in SPLITS:
        poses = world.poses(split)
        for query in world.queries(split):
            if query["kind"] == "panorama":
                assert query["heading_deg"] == "0.000"
            errors[query["kind"]].append((float(query["heading_deg"]) - float(poses[query["query_id"]]["heading_deg"]) + 180) % 360 - 180)
    for found in errors.values():
        assert len(found) > 25 and np.abs(found).max() < 9
        assert 1.2 < np.std(found) < 2.8
    headings = np.array([float(q["heading_deg"]) for s in SPLITS for q in world.queries(s) if q["kind"] == "photo"])
    assert (headings >= 0).all() and (headings < 360).all() and (np.histogram(headings, 4, (0, 360))[0] > 0).all()


def test_cameras_are_held_at_eye_height_and_not_quite_level(world: BuiltWorld):
    poses = [pose for split in SPLITS for pose in world.poses(split).values()]
    assert all(1.4 <= float(pose["z_m"]) <= 2.5 for pose in poses)
    for angle in ("pitch_deg", "roll_deg"):
        assert 0.8 < np.std([float(pose[angle]) for pose in poses]) < 4


def test_photos_state_a_focal_length_that_agrees_with_their_field_of_view(world: BuiltWorld):
    for split in SPLITS:
        for query in world.queries(split):
            image = Image.open(world.folder / split / query["image"])
            focal_mm = image.getexif().get_ifd(0x8769).get(FOCAL_LENGTH_IN_35MM_FILM)
            if query["kind"] == "panorama":
                assert focal_mm is None and query["fov_deg"] == "360.000"
                continue
            diagonal_of_film = math.hypot(36, 24)
            focal_px = focal_mm * math.hypot(*image.size) / diagonal_of_film
            fov_deg = math.degrees(2 * math.atan(image.width / 2 / focal_px))
            assert float(query["fov_deg"]) == pytest.approx(fov_deg, abs=0.01)
            assert 58.5 < fov_deg < 91.5
            assert float(world.poses(split)[query["query_id"]]["hfov_deg"]) == pytest.approx(fov_deg, abs=0.01)


@pytest.mark.parametrize("lon0, lat0", [(0.0, 0.0), (0.9, -0.95), (-1.0, 1.0)])
def test_degrees_and_metres_round_trip_and_metres_are_great_circle_metres(lon0: float, lat0: float):
    frame = CityFrame(lon0, lat0)
    rng = np.random.default_rng(0)
    for x_m, y_m in rng.uniform(0, 1700, (50, 2)):
        lon, lat = frame.to_lonlat(x_m, y_m)
        assert frame.to_metres(lon, lat) == pytest.approx((x_m, y_m), abs=1e-6)
        assert great_circle_m(lon0, lat0, lon, lat) == pytest.approx(math.hypot(x_m, y_m), rel=1e-5, abs=1e-3)
    assert frame.to_lonlat(0, 0) == (lon0, lat0)
