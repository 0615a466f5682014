"""What a point of the world is. One byte; also the value of the class images."""

ROAD = 0
PAVEMENT = 1
GRASS = 2
PARKING = 3
WATER = 4
PATH = 5
BUILDING = 6
TREE = 7
HEDGE = 8
SOIL = 9
POLE = 10
VEHICLE = 11
PERSON = 12
SKY = 255

NAMES = ("road", "pavement", "grass", "parking", "water", "path", "building", "tree", "hedge", "soil", "pole", "vehicle", "person")

CELL_M = 0.4
"""Side of a map cell in metres."""

VEHICLE_HEIGHT_M = 1.45
PERSON_HEIGHT_M = 1.75
CANOPY_BASE_M = 2.0
"""Tree crowns begin above this height; below it only the trunk stops a ray."""
