"""Ranges, poses and maps against an independent march: fine steps over the city's arrays, sharing no code with the renderer."""

import math

import numpy as np
import pytest
from built_world import BuiltWorld, camera_axes, rays

from null_island.city import City
from null_island.classes import (
    BUILDING,
    CANOPY_BASE_M,
    CELL_M,
    GRASS,
    PARKING,
    PATH,
    PAVEMENT,
    PERSON,
    ROAD,
    SKY,
    SOIL,
    TREE,
    VEHICLE,
    WATER,
)
from null_island.ground import Pose

GROUND = (ROAD, PAVEMENT, GRASS, PARKING, WATER, PATH, SOIL)
STEP_M = 0.1
REACH_M = 120.0


def first_hit(city: City, origin: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Range in metres (infinite where nothing stands in the way) and class, for directions [n, 3]; without vehicles and people."""
    distance, seen = np.full(len(directions), np.inf), np.full(len(directions), SKY, np.uint8)
    for t in np.arange(0.3, REACH_M, STEP_M):
        going = np.flatnonzero(np.isinf(distance))
        x, y, z = (origin + directions[going] * t).T
        ix, iy = np.floor(x / CELL_M).astype(int), np.floor(y / CELL_M).astype(int)
        inside = (ix >= 3) & (iy >= 3) & (ix < city.height.shape[1] - 3) & (iy < city.height.shape[0] - 3)
        going, z, ix, iy = going[inside], z[inside], ix[inside], iy[inside]
        tree = city.cls[iy, ix] == TREE
        solid = ~tree | (z > CANOPY_BASE_M) | (city.identity[iy, ix] & 1 == 1)
        hit = (z <= 0) | ((city.height[iy, ix] > z) & solid)
        distance[going[hit]] = t
        seen[going[hit]] = city.cls[iy[hit], ix[hit]]
    return distance, seen


def views(world: BuiltWorld, split: str, kind: str, limit: int) -> list[dict[str, str]]:
    return [query for query in world.queries(split) if query["kind"] == kind][:limit]


def pixel_rays(world: BuiltWorld, split: str, query: dict[str, str]) -> np.ndarray:
    config = world.config
    height, width = world.classes(split, query["query_id"]).shape
    pose = world.poses(split)[query["query_id"]]
    return rays(pose, query["kind"], height, width, config.elevation_top_deg, config.elevation_bottom_deg)


def origin(pose: dict[str, str]) -> np.ndarray:
    return np.array([float(pose[name]) for name in ("x_m", "y_m", "z_m")])


@pytest.mark.parametrize("kind", ["panorama", "photo"])
def test_the_range_of_flat_ground_is_the_cameras_height_over_the_sine_of_the_depression(world: BuiltWorld, kind: str):
    checked = 0
    for query in views(world, "train", kind, 8):
        pose = world.poses("train")[query["query_id"]]
        down = -pixel_rays(world, "train", query)[..., 2]
        ground = np.isin(world.classes("train", query["query_id"]), GROUND)
        assert (down[ground] > 0).all(), "the ground is below the horizon"
        expected = float(pose["z_m"]) / down[ground]
        measured = world.range_m("train", query["query_id"])[ground]
        # centimetres in the file, and a pose written to 1e-4 degrees: at grazing angles that is a little more
        assert (np.abs(measured - expected) <= 0.006 + 1e-4 * expected**2).all()
        checked += int(ground.sum())
    assert checked > 20_000


@pytest.mark.parametrize("kind", ["panorama", "photo"])
def test_range_and_class_are_what_an_independent_march_over_the_city_finds(world: BuiltWorld, kind: str):
    city = world.city("train", 0)
    agree, same_class, checked = 0, 0, 0
    for query in views(world, "train", kind, 4):
        name = query["query_id"]
        assert world.poses("train")[name]["city"] == "0"
        classes, metres = world.classes("train", name), world.range_m("train", name)
        pick = np.random.default_rng(0).random(classes.shape) < 6000 / classes.size
        pick &= (classes != VEHICLE) & (classes != PERSON)
        distance, seen = first_hit(city, origin(world.poses("train")[name]), pixel_rays(world, "train", query)[pick])
        measured = np.where(metres[pick] == 0, np.inf, metres[pick])
        both = np.isfinite(distance) & np.isfinite(measured)
        assert (np.isinf(measured) == (classes[pick] == SKY)).all()
        close = np.isinf(distance) & np.isinf(measured)
        close[both] = np.abs(distance[both] - measured[both]) < 0.3 + 0.03 * distance[both]
        agree += int(close.sum())
        same_class += int((seen == classes[pick]).sum())
        checked += len(distance)
    assert checked > 10_000
    # the renderer's longer steps pass through corners and thin branches now and then
    assert agree / checked > 0.975
    assert same_class / checked > 0.975


def test_a_pose_read_with_another_convention_does_not_agree(world: BuiltWorld):
    """That the march above can tell: the same views with heading, pitch or roll reversed."""
    city = world.city("train", 0)

    def agreement(changes: dict[str, float]) -> float:
        shares = []
        for query in views(world, "train", "photo", 4):
            name = query["query_id"]
            pose = {key: str(float(value) * changes.get(key, 1.0)) for key, value in world.poses("train")[name].items() if key != "query_id"}
            classes, metres = world.classes("train", name), world.range_m("train", name)
            pick = (np.random.default_rng(0).random(classes.shape) < 2000 / classes.size) & (classes == BUILDING)
            directions = rays(pose, "photo", *classes.shape, 0, 0)[pick]
            distance, _ = first_hit(city, origin(pose), directions)
            shares.append(np.mean(np.abs(distance - metres[pick]) < 0.3 + 0.03 * metres[pick]))
        return float(np.mean(shares))

    right = agreement({})
    assert right > 0.94
    assert agreement({"heading_deg": -1}) < right - 0.3
    for angle in ("pitch_deg", "roll_deg"):
        assert agreement({angle: -1}) < right - 0.1


def test_axes_are_a_rotation_and_follow_heading_pitch_and_roll():
    def axes(heading: float, pitch: float, roll: float) -> np.ndarray:
        return camera_axes({"heading_deg": str(heading), "pitch_deg": str(pitch), "roll_deg": str(roll)})

    for angles in ((0, 0, 0), (90, 0, 0), (30, 20, -10), (250, -12, 33)):
        assert axes(*angles) @ axes(*angles).T == pytest.approx(np.eye(3), abs=1e-12)
        assert Pose(0, 0, 0, *angles).rotation().T == pytest.approx(axes(*angles), abs=1e-12)
    assert axes(90, 0, 0)[1] == pytest.approx([1, 0, 0])  # looks east
    assert axes(0, 90, 0)[1] == pytest.approx([0, 0, 1])  # looks up
    assert axes(0, 0, 90)[2] == pytest.approx([1, 0, 0])  # leans to the right


def test_imagery_shows_the_city_that_its_bounds_cover(world: BuiltWorld):
    """Height and class of each tile pixel against the city's cells under its centre."""
    city, frame, px = world.city("train", 0), world.frame("train", 0), world.config.tile_px
    for tile in [t for t in world.tiles("train") if t["tile_id"].startswith("c00_")][::5]:
        west, north = frame.to_metres(float(tile["west"]), float(tile["north"]))
        east, south = frame.to_metres(float(tile["east"]), float(tile["south"]))
        x = west + (np.arange(px) + 0.5) / px * (east - west)
        y = north + (np.arange(px) + 0.5) / px * (south - north)
        ix, iy = (x / CELL_M).astype(int), (y / CELL_M).astype(int)
        around = np.stack([np.stack([city.cls[np.ix_(iy + dy, ix + dx)] for dx in (-1, 0, 1)]) for dy in (-1, 0, 1)]).reshape(9, px, px)
        uniform = (around == around[4]).all(0)
        seen = world.classes("train", f"tile_{tile['tile_id']}")
        assert uniform.mean() > 0.4
        assert ((seen == around[4]) | (seen == VEHICLE))[uniform].all()
        height = world.image("train", f"depth/tile_{tile['tile_id']}.png") / 100
        roof = uniform & (seen == BUILDING)
        near = np.abs(height - city.height[np.ix_(iy, ix)])[roof] < 1.6  # ridges slope, and machines stand on flat roofs
        assert not roof.any() or near.mean() > 0.97


def building_agreement(world: BuiltWorld, split: str, query: dict[str, str], turned_deg: float) -> tuple[int, int]:
    """How many of a panorama's building pixels near the horizon stand where the satellite files put a building, nothing higher before it."""
    name = query["query_id"]
    pose = world.poses(split)[name]
    height, classes, west, north, metres_per_px = world.satellite_map(split, int(pose["city"]))
    x0, y0 = world.frame(split, int(pose["city"])).to_metres(float(query["lon"]), float(query["lat"]))
    seen, ranges, directions = world.classes(split, name), world.range_m(split, name), pixel_rays(world, split, query)
    agree, checked = 0, 0
    turn = math.radians(turned_deg)
    for row in range(44, 52):
        for column in range(0, seen.shape[1], 4):
            if seen[row, column] != BUILDING:
                continue
            east, up_north, up = directions[row, column]
            east, up_north = east * math.cos(turn) + up_north * math.sin(turn), up_north * math.cos(turn) - east * math.sin(turn)
            t = np.arange(1.0, ranges[row, column] + 1.0, 0.25)
            i = np.floor((x0 + east * t - west) / metres_per_px).astype(int)
            j = np.floor((north - y0 - up_north * t) / metres_per_px).astype(int)
            if min(i.min(), j.min()) < 0 or max(i.max(), j.max()) >= len(height):
                continue
            wall = (classes[j, i] == BUILDING) & (height[j, i] > float(pose["z_m"]) + up * t)
            before = t < ranges[row, column] - 1.2
            agree += bool(wall[~before].any() and not wall[before].any())
            checked += 1
    return agree, checked


def test_a_building_in_the_panorama_stands_at_that_azimuth_and_range_in_the_satellite_view(world: BuiltWorld):
    """Files alone: a map put together from the gallery, the query's position, the panorama's range; and the check fails when turned."""
    right, turned, checked = 0, 0, 0
    for query in views(world, "train", "panorama", 24)[::2]:
        agree, n = building_agreement(world, "train", query, 0)
        right, checked = right + agree, checked + n
        turned += building_agreement(world, "train", query, 90)[0]
    assert checked > 500
    assert right / checked > 0.93
    assert turned / checked < 0.3


def test_vehicles_stand_in_slots_of_the_city_and_those_of_the_street_are_not_those_of_the_imagery(world: BuiltWorld):
    in_slot, in_both, hits = 0, 0, 0
    for query in views(world, "train", "panorama", 24):
        name = query["query_id"]
        pose = world.poses("train")[name]
        ranges, seen = world.range_m("train", name), world.classes("train", name)
        near = (seen == VEHICLE) & (ranges < 25)
        point = origin(pose) + pixel_rays(world, "train", query)[near] * (ranges[near, None] + 0.1)
        city = world.city("train", int(pose["city"]))
        _, classes, west, north, metres_per_px = world.satellite_map("train", int(pose["city"]))
        i, j = ((point[:, 0] - west) / metres_per_px).astype(int), ((north - point[:, 1]) / metres_per_px).astype(int)
        inside = (i >= 2) & (j >= 2) & (i < len(classes) - 2) & (j < len(classes) - 2)
        point, i, j = point[inside], i[inside], j[inside]
        ix, iy = (point[:, 0] / CELL_M).astype(int), (point[:, 1] / CELL_M).astype(int)
        slot = np.zeros(len(point), bool)
        parked = np.zeros(len(point), bool)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                slot |= (city.identity[iy + dy, ix + dx] != 0) & (city.height[iy + dy, ix + dx] == 0)
                parked |= classes[j + dy, i + dx] == VEHICLE
        in_slot, in_both, hits = in_slot + int(slot.sum()), in_both + int(parked.sum()), hits + len(point)
    assert hits > 500
    assert in_slot == hits
    assert in_both / hits < 0.75


def test_people_walk_in_the_street_and_are_in_no_satellite_view(world: BuiltWorld):
    walking = sum(int((world.classes("train", q["query_id"]) == PERSON).sum()) for q in world.queries("train"))
    assert walking > 0
    for tile in world.tiles("train"):
        assert not (world.classes("train", f"tile_{tile['tile_id']}") == PERSON).any()
