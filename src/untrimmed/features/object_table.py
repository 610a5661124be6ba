"""Which objects of COCO ActivityNet's classes are done with: this package's own object table.

Report 03 ties 76 of the 200 classes to the 200 objects of ImageNet DET and does not print the table. Detectors whose
weights are published know the 80 objects of COCO, so the table is drawn up anew for them, by the names of the classes:
an object is there where the class cannot well be done without it. Names are torchvision's.
"""

from untrimmed.aggregate.attended import TiedObjects


def _tied(**classes: str) -> tuple[TiedObjects, ...]:
    """Rows from objects and the classes that want them, both with their words apart by underscores and commas."""
    rows: dict[str, list[str]] = {}
    for name, labels in classes.items():
        for label in labels.split(","):
            rows.setdefault(label.strip(), []).append(name.replace("_", " "))
    return tuple(TiedObjects(label=label, objects=tuple(objects)) for label, objects in sorted(rows.items()))


COCO_OBJECTS = _tied(
    bicycle="Assembling bicycle, BMX, Fixing bicycle",
    boat="Canoeing, Kayaking, Rafting, Sailing, Waterskiing",
    bowl="Baking cookies, Making a cake, Making a lemonade, Preparing pasta, Preparing salad",
    cake="Making a cake",
    car="Changing car wheel, Hand car wash, Removing ice from car, Riding bumper cars",
    carrot="Preparing salad",
    cat="Clipping cat claws",
    chair="Getting a haircut",
    couch="Polishing forniture",
    cow="Bullfighting, Calf roping",
    cup="Beer pong, Drinking beer, Drinking coffee, Making a lemonade, Mixing drinks",
    dining_table="Arm wrestling, Beer pong, Painting furniture, Ping-pong, Playing blackjack",
    dog="Bathing dog, Disc dog, Grooming dog, Walking the dog",
    frisbee="Disc dog",
    hair_drier="Blow-drying hair",
    horse="Calf roping, Grooming horse, Horseback riding, Playing polo",
    kite="Kite flying",
    knife="Carving jack-o-lanterns, Making a sandwich, Peeling potatoes, Preparing salad, Sharpening knives",
    motorcycle="Doing motocross",
    orange="Making a lemonade",
    oven="Baking cookies, Making an omelette, Preparing pasta",
    sandwich="Making a sandwich",
    sink="Brushing teeth, Cleaning sink, Gargling mouthwash, Washing dishes, Washing face, Washing hands",
    skateboard="Longboarding, Skateboarding",
    skis="Skiing, Waterskiing, Waxing skis",
    snowboard="Snowboarding",
    sports_ball="Beach soccer, Dodgeball, Futsal, Layup drill in basketball, Playing beach volleyball, "
    "Playing kickball, Playing ten pins, Playing water polo, Shot put, Tennis serve with ball bouncing, Volleyball",
    spoon="Mixing drinks",
    surfboard="Surfing, Wakeboarding, Windsurfing",
    tennis_racket="Playing badminton, Playing racquetball, Playing squash, Tennis serve with ball bouncing",
    toothbrush="Brushing teeth",
    truck="Hand car wash",
    wine_glass="Mixing drinks",
)
"""The rows, by class."""
