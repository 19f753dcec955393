"""Class names that public networks share, for files that say only how many classes they have."""

from __future__ import annotations

COCO = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,"
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,"
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,"
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,"
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop,"
    "mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors,"
    "teddy bear, hair drier, toothbrush"
)
CITYSCAPES = (
    "road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, person, rider,"
    "car, truck, bus, train, motorcycle, bicycle"
)


def usual_names(count: int) -> tuple[str, ...]:
    """The names that ``count`` classes usually have: COCO's 80, Cityscapes' 19; else they are numbered."""
    for text in (COCO, CITYSCAPES):
        names = tuple(name.strip() for name in text.split(","))
        if len(names) == count:
            return names
    return numbered(count)


def numbered(count: int) -> tuple[str, ...]:
    """Names for classes that nobody has named."""
    return tuple(f"class {number}" for number in range(count))
