"""The small data set in the formats of other tools, as their exports look."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from small_sets import CLASSES, SIZE, coco, write_coco

WIDTH, HEIGHT = SIZE


def objects_of(number: int) -> list[tuple[str, list[float]]]:
    """Class and box [x, y, width, height] of the objects of an image."""
    names = {one["id"]: one["name"] for one in coco()["categories"]}
    return [
        (names[one["category_id"]], one["bbox"])
        for one in coco()["annotations"]
        if one["image_id"] == number + 1
    ]


def images(folder: Path) -> None:
    write_coco(folder, name="a.json").unlink()


def as_yolo(folder: Path) -> None:
    for split, numbers in {"train": range(6), "val": range(6, 8)}.items():
        images(folder / "images" / split)
        for number in range(8):
            if number not in numbers:
                (folder / "images" / split / f"{number}.png").unlink()
                continue
            lines = []
            for name, (x, y, w, h) in objects_of(number):
                box = ((x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT)
                lines.append(f"{CLASSES.index(name)} " + " ".join(f"{v:.6f}" for v in box))
            file = folder / "labels" / split / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(lines) + "\n")
    (folder / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n"
    )


def as_yolo_polygons(folder: Path) -> None:
    as_yolo(folder)
    for file in folder.glob("labels/*/*.txt"):
        lines = []
        for line in file.read_text().splitlines():
            label, x, y, w, h = (float(word) for word in line.split())
            x1, y1, x2, y2 = x - w / 2, y - h / 2, x + w / 2, y + h / 2
            lines.append(f"{int(label)} {x1} {y1} {x2} {y1} {x2} {y2} {x1} {y2}")
        file.write_text("\n".join(lines))


def as_roboflow_yolo(folder: Path) -> None:
    as_yolo(folder)
    for split, name in (("train", "train"), ("val", "valid")):
        (folder / name).mkdir()
        for part in ("images", "labels"):
            (folder / part / split).rename(folder / name / part)
    (folder / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\n"
        "names: ['cat', 'dog']\n"
    )
    (folder / "test/images").mkdir(parents=True)


def as_voc(folder: Path, first: int = 0) -> None:
    images(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for number in range(8):
        parts = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x + first}</xmin><ymin>{y + first}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for name, (x, y, w, h) in objects_of(number)
        )
        (folder / f"Annotations/{number}.xml").write_text(
            f"<annotation><filename>{number}.png</filename><size><width>{WIDTH}</width>"
            f"<height>{HEIGHT}</height><depth>3</depth></size>{parts}</annotation>"
        )
    lists = folder / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"{number}\n" for number in range(6)))
    (lists / "val.txt").write_text("6\n7\n")


def as_labelme(folder: Path) -> None:
    images(folder)
    for number in range(8):
        (_, (x, y, w, h)), (_, (u, v, a, b)) = objects_of(number)
        polygon = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
        shapes = [
            {"label": "cat", "points": polygon, "shape_type": "polygon", "group_id": None},
            {"label": "dog", "points": [[u, v], [u + a, v + b]], "shape_type": "rectangle"},
            {"label": "dog", "points": [[1, 1]], "shape_type": "point"},
        ]
        content = {"imagePath": f"..\\up\\{number}.png", "shapes": shapes, "imageData": None}
        content |= {"imageWidth": WIDTH, "imageHeight": HEIGHT}
        (folder / f"{number}.json").write_text(json.dumps(content))


def as_cvat(folder: Path) -> None:
    images(folder / "images")
    parts = []
    for number in range(8):
        (_, (x, y, w, h)), (_, (u, v, a, b)) = objects_of(number)
        parts.append(
            f'<image id="{number}" name="{number}.png" width="{WIDTH}" height="{HEIGHT}">'
            f'<polygon label="cat" points="{x},{y};{x + w},{y};{x + w},{y + h};{x},{y + h}"/>'
            f'<mask label="dog" rle="0, {a * b}" left="{u}" top="{v}" width="{a}" height="{b}"/>'
            '<points label="dog" points="1,1"/></image>'
        )
    labels = "".join(f"<label><name>{name}</name></label>" for name in CLASSES)
    (folder / "annotations.xml").write_text(
        f"<annotations><meta><task><labels>{labels}</labels></task></meta>{''.join(parts)}"
        "</annotations>"
    )


def as_label_studio(folder: Path) -> None:
    images(folder)
    tasks = []
    for number in range(8):
        (folder / f"{number}.png").rename(folder / f"0a1b2c3d-{number}.png")
        (_, (x, y, w, h)), (_, (u, v, a, b)) = objects_of(number)
        points = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
        percent = [[100 * p / WIDTH, 100 * q / HEIGHT] for p, q in points]
        box = {"x": 100 * u / WIDTH, "y": 100 * v / HEIGHT, "rotation": 0}
        box |= {"width": 100 * a / WIDTH, "height": 100 * b / HEIGHT, "rectanglelabels": ["dog"]}
        result = [
            {"type": "polygonlabels", "value": {"points": percent, "polygonlabels": ["cat"]}},
            {"type": "rectanglelabels", "value": box},
            {"type": "choices", "value": {"choices": ["good"]}},
        ]
        image = f"/data/upload/1/0a1b2c3d-{number}.png"
        tasks.append({"data": {"image": image}, "annotations": [{"result": result}]})
    (folder / "project.json").write_text(json.dumps(tasks))


def as_label_studio_min(folder: Path) -> None:
    as_label_studio(folder)
    tasks = json.loads((folder / "project.json").read_text())
    small = [
        {
            "image": task["data"]["image"],
            "annotation_id": number,
            "label": [one["value"] for one in task["annotations"][0]["result"][:2]],
        }
        for number, task in enumerate(tasks)
    ]
    (folder / "project.json").write_text(json.dumps(small))


def as_roboflow_coco(folder: Path) -> None:
    for split, numbers in {"train": range(6), "valid": range(6, 8)}.items():
        images(folder / split)
        content = coco()
        content["categories"].insert(0, {"id": 0, "name": "pets", "supercategory": "none"})
        content["images"] = [content["images"][number] for number in numbers]
        kept = {one["id"] for one in content["images"]}
        content["annotations"] = [one for one in content["annotations"] if one["image_id"] in kept]
        for number in set(range(8)) - set(numbers):
            (folder / split / f"{number}.png").unlink()
        write_coco_alone(folder / split / "_annotations.coco.json", content)


def as_coco_without_a_split(folder: Path) -> None:
    images(folder / "pictures")
    write_coco_alone(folder / "result.json", coco())


def as_masks(folder: Path, on: int = 1) -> None:
    images(folder / "images")
    (folder / "masks").mkdir()
    for number in range(8):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        for _, (x, y, w, h) in objects_of(number):
            labels[y : y + h, x : x + w] = on
        Image.fromarray(labels).save(folder / f"masks/{number}_mask.png")


def write_coco_alone(file: Path, content: dict) -> None:
    file.write_text(json.dumps(content))
