import itertools
import math

import numpy as np
import pytest
from skimage.measure import label

from null_island.capture import Capture, draw_capture
from null_island.city import City, build_city
from null_island.classes import BUILDING, CELL_M, GRASS, PARKING, PAVEMENT, ROAD, TREE, VEHICLE, WATER
from null_island.ortho import render_ortho
from null_island.places import STANDING_SHARE, draw_place


@pytest.fixture(scope="module")
def cities() -> list[City]:
    return [build_city(seed, 660, "a") for seed in range(1, 7)]


def test_a_cell_is_the_same_in_a_larger_city():
    small, large = build_city(5, 300, "a"), build_city(5, 420, "a")
    inner = slice(0, small.height.shape[0] - 40)  # trees are not planted at the very edge
    for name in ("height", "cls", "colour", "identity"):
        assert (getattr(small, name)[inner, inner] == getattr(large, name)[inner, inner]).all(), name


def test_another_seed_and_another_style_are_another_city():
    a, b, c = build_city(1, 200, "a"), build_city(2, 200, "a"), build_city(1, 200, "b")
    assert (a.cls != b.cls).mean() > 0.2
    assert (a.cls != c.cls).mean() > 0.05


def test_a_city_has_streets_pavements_buildings_trees_lawns_parking_and_water(cities: list[City]):
    share = np.mean([np.bincount(city.cls.ravel(), minlength=13) / city.cls.size for city in cities], axis=0)
    assert 0.1 < share[ROAD] < 0.5 and share[PAVEMENT] > 0.03 and 0.08 < share[BUILDING] < 0.5
    assert share[TREE] > 0.02 and share[GRASS] > 0.05 and share[PARKING] > 0.01 and share[WATER] > 0.0005


def test_streets_are_one_network_that_reaches_from_side_to_side(cities: list[City]):
    for city in cities:
        # crowns may hide a street from above; a car drives below them
        components = label(np.isin(city.cls, (ROAD, PAVEMENT)), connectivity=1)
        largest = np.argmax(np.bincount(components.ravel())[1:]) + 1
        rows, columns = np.nonzero(components == largest)
        assert (components == largest).sum() > 0.9 * np.isin(city.cls, ROAD).sum()
        assert rows.min() < 10 and columns.min() < 10
        assert rows.max() > city.cls.shape[0] - 10 and columns.max() > city.cls.shape[1] - 10


def test_the_ceiling_is_never_below_what_stands_within_its_cells_and_a_ray_step_around(cities: list[City]):
    city = cities[0]
    n = city.ceiling.shape[0]
    for dy in (-8, 0, 8):
        for dx in (-8, 0, 8):
            iy, ix = np.arange(16, n * 8 - 16), np.arange(16, n * 8 - 16)
            assert (city.ceiling[np.ix_(iy >> 3, ix >> 3)] >= city.height[np.ix_(iy + dy, ix + dx)]).all()


def test_the_roof_of_a_building_does_not_tell_its_facade(cities: list[City]):
    """Of windows of 40 m whose commonest roof colour is the same, the commonest facades differ as much as among all windows."""
    roofs, facades = [], []
    for city in cities:
        shape = city.colour.astype(float)
        hue = shape / np.maximum(shape.sum(2, keepdims=True), 1)
        for y in range(0, city.cls.shape[0] - 100, 100):
            for x in range(0, city.cls.shape[1] - 100, 100):
                window = (slice(y, y + 100), slice(x, x + 100))
                building = city.cls[window] == BUILDING
                if building.sum() < 300:
                    continue
                facades.append(int(np.bincount((city.identity[window][building] >> 6) & 7, minlength=8).argmax()))
                roofs.append(tuple(np.round(np.median(hue[window][building], axis=0), 2)))
    kinds = {roof: [f for r, f in zip(roofs, facades, strict=True) if r == roof] for roof in set(roofs)}
    common = {roof: found for roof, found in kinds.items() if len(found) >= 20}
    assert len(common) >= 3
    assert np.mean([len(set(found)) for found in common.values()]) >= 4


def test_a_drawn_place_is_standing_room_on_the_ground(cities: list[City]):
    rng = np.random.default_rng(0)
    for _ in range(200):
        x_m, y_m = draw_place(cities[1], rng, 100, 150, 500, 450)
        assert 100 <= x_m <= 500 and 150 <= y_m <= 450
        for dx, dy in itertools.product((-0.75, 0, 0.75), repeat=2):
            assert cities[1].height[int((y_m + dy) / CELL_M), int((x_m + dx) / CELL_M)] < 1
        assert cities[1].cls[int(y_m / CELL_M), int(x_m / CELL_M)] in STANDING_SHARE


def test_a_rectangle_without_standing_room_is_an_error_that_says_where(cities: list[City]):
    iy, ix = np.argwhere((cities[0].cls == BUILDING) & (cities[0].height > 3))[5000]
    x, y = ix * CELL_M, iy * CELL_M
    with pytest.raises(RuntimeError, match=f"no standing room between \\({x:.0f}, {y:.0f}\\)"):
        draw_place(cities[0], np.random.default_rng(0), x, y, x + 0.1, y + 0.1)


def capture_with(sun_azimuth_deg: float, sun_intensity: float, moving_seed: int = 1) -> Capture:
    azimuth, elevation = math.radians(sun_azimuth_deg), math.radians(35)
    sun = (math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation), math.sin(elevation))
    return Capture(sun, sun_intensity, 0.4, 0, 0.4, 0.05, moving_seed, 1.0, (1.0, 1.0, 1.0), 0.002, 0.0, 2.0, 1.0, 0.0)


def test_shadows_fall_away_from_the_sun(cities: list[City]):
    city, px_m = cities[0], 0.8
    n = int(500 / px_m)

    def radiance(capture: Capture) -> np.ndarray:
        return render_ortho(city, 80, 580, n, n, px_m, capture.vector(), 1, 3, 0, 0)[0].sum(2)

    _, height, cls = render_ortho(city, 80, 580, n, n, px_m, capture_with(0, 0).vector(), 1, 3, 0, 0)
    overcast = radiance(capture_with(0, 0))
    ground, tall = np.isin(cls, (ROAD, PAVEMENT, GRASS, PARKING)), (cls == BUILDING) & (height > 5)
    for azimuth_deg, (dy, dx) in {0: (1, 0), 90: (0, -1), 180: (-1, 0), 270: (0, 1)}.items():
        gain = radiance(capture_with(azimuth_deg, 1.0)) / overcast
        step = 4  # 3.2 m from the wall; rows grow to the south
        behind = ground & np.roll(tall, (dy * step, dx * step), (0, 1))
        before = ground & np.roll(tall, (-dy * step, -dx * step), (0, 1)) & ~behind
        inner = (slice(10, -10), slice(10, -10))
        assert gain[inner][behind[inner]].mean() < 1.3, "in the shadow of a wall only the sky shines"
        assert gain[inner][before[inner]].mean() > 1.8, "before a wall the sun shines"


def test_another_capture_moves_vehicles_and_nothing_else(cities: list[City]):
    def view(moving_seed: int) -> tuple[np.ndarray, np.ndarray]:
        _, height, cls = render_ortho(cities[1], 100, 400, 400, 400, 0.5, capture_with(100, 0.5, moving_seed).vector(), 1, 3, 0, 0)
        return height, cls

    (height, cls), (height2, cls2) = view(1), view(2)
    moved = cls != cls2
    assert moved.any()
    assert ((cls == VEHICLE) | (cls2 == VEHICLE))[moved].all()
    assert (height == height2)[~moved].all()


def test_captures_differ_in_sun_season_exposure_and_weather():
    captures = [draw_capture(np.random.default_rng(seed)) for seed in range(200)]
    assert {c.season for c in captures} == {0, 1, 2, 3}
    assert 0.2 < np.mean([c.cloud == 1.0 for c in captures]) < 0.4
    elevations = np.degrees([math.asin(c.sun[2]) for c in captures])
    assert elevations.min() >= 22 and elevations.max() <= 65 and np.std(elevations) > 8
    assert np.std([c.exposure for c in captures]) > 0.1
    assert all(math.hypot(*c.sun) == pytest.approx(1) for c in captures)
