"""The figures of the site that are drawn: the residual block, the rooms, activations, peers.

    python benchmarks/figures.py  # writes docs/figures/*.svg

The numbers of the plots are those of the tables in docs/benchmarks.md, the rooms those of
CONTRIBUTING.md.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/figures"
TRAINING = (
    "Forward and backward, ResNet-{depth}, 2x3x640x640, first stage frozen, norms in eval mode"
)
BATCH_STATISTICS = (
    "Forward and backward, ResNet-50, 2x3x640x640, nothing frozen, norms in train mode"
)
INK, SOFT, LINE, PAPER = "#1a1c2c", "#5a6070", "#3f51b5", "#ffffff"

# What the block is made of: the layer, and the options that change it.
MAIN = [
    ("N x N convolution", "kernel_size  depthwise  spatial_separable  groups  stride  dilation"),
    ("norm", "norm_cfg  bn_momentum"),
    ("activation", "act_cfg"),
    ("N x N convolution", "kernel_size  depthwise  spatial_separable  dilation"),
    ("norm", "norm_cfg  zero_init_residual"),
    ("attention", "attention: SE, ECA"),
    ("stochastic depth", "drop_path_rate"),
]
SHORTCUT = [
    ("pooling", "pool_on_residual_downsample  avg_down"),
    ("1 x 1 convolution", "down_kernel_size"),
    ("norm", "norm_cfg"),
]


def text(
    x: float, y: float, words: str, *, size: int = 13, colour: str = INK, more: str = ""
) -> str:
    """A line of text, centred."""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="middle" {more}>'
        f"{escape(words)}</text>"
    )


def layer(x: float, y: float, width: float, name: str, options: str) -> list[str]:
    """A box with the name of a layer and its options."""
    return [
        f'<rect x="{x - width / 2}" y="{y}" width="{width}" height="42" rx="6" fill="#e8eaf6" '
        f'stroke="{LINE}"/>',
        text(x, y + 17, name, more='font-weight="bold"'),
        text(
            x,
            y + 33,
            ", ".join(options.split("  ")),
            size=11,
            colour=SOFT,
            more='font-family="monospace"',
        ),
    ]


def arrow(*points: tuple[float, float]) -> str:
    """A line through points, with a head at its end."""
    path = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{INK}" marker-end="url(#head)"/>'


def svg(width: int, height: int, parts: list[str]) -> str:
    """A whole file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif">'
        f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker></defs>'
    )
    return "\n".join([head, *parts, "</svg>\n"])


def block() -> str:
    """The basic block, with the options that change each of its parts."""
    main, side, parts = 260, 700, []
    top, step = 70, 58
    parts += [text(main, 28, "(N, C, H, W)"), arrow((main, 36), (main, top))]
    for index, (name, options) in enumerate(MAIN):
        y = top + index * step
        parts += layer(main, y, 480, name, options)
        parts.append(arrow((main, y + 42), (main, y + step)))
    end = top + len(MAIN) * step
    first = top + 2 * step
    parts.append(arrow((main, 50), (side, 50), (side, first)))
    for index, (name, options) in enumerate(SHORTCUT):
        y = first + index * step
        parts += layer(side, y, 330, name, options)
        if index + 1 < len(SHORTCUT):
            parts.append(arrow((side, y + 42), (side, y + step)))
    parts.append(
        arrow((side, first + len(SHORTCUT) * step - 16), (side, end + 14), (main + 16, end + 14))
    )
    parts += [
        f'<circle cx="{main}" cy="{end + 14}" r="14" fill="{PAPER}" stroke="{INK}"/>',
        text(main, end + 20, "+", size=18),
        arrow((main, end + 28), (main, end + 52)),
        *layer(main, end + 52, 480, "activation", "act_cfg"),
        arrow((main, end + 94), (main, end + 122)),
        text(main, end + 138, "(N, C', ceil(H / stride), ceil(W / stride))"),
        text(
            side,
            end + 34,
            "where size or channels change; else the input itself",
            size=11,
            colour=SOFT,
        ),
    ]
    return svg(880, end + 156, parts)


def rooms() -> str:
    """The rooms of the package, each of which imports only from those above it."""
    table = (ROOT / "CONTRIBUTING.md").read_text()
    found = re.findall(r"^\| `(\w+)` \| (.+?) \|$", table, re.MULTILINE)
    parts = [text(440, 28, "A room imports only from the rooms above it", colour=SOFT)]
    for index, (name, what) in enumerate(found):
        y = 44 + index * 34
        what = re.sub(r"[`*]", "", what)
        what = what if len(what) < 104 else f"{what[:100]} ..."
        fill = "#e8eaf6" if name not in ("openmmlab", "commands") else "#fff3e0"
        parts += [
            f'<rect x="20" y="{y}" width="840" height="28" rx="5" fill="{fill}" stroke="{LINE}"/>',
            f'<text x="34" y="{y + 19}" font-size="13" fill="{INK}">{name}</text>',
            f'<text x="150" y="{y + 19}" font-size="12" fill="{SOFT}">{escape(what)}</text>',
        ]
    return svg(880, 60 + len(found) * 34, parts)


def measured(depth: int, heading: str = TRAINING) -> dict[str, tuple[float, float, float]]:
    """Variant -> milliseconds, saved and peak MiB of a training step, in docs/benchmarks.md."""
    page = (ROOT / "docs/benchmarks.md").read_text()
    section = page.partition(f"### {heading.format(depth=depth)}\n")[2].partition("###")[0]
    found = {}
    for row in re.findall(r"^\| (.+) \|$", section, re.MULTILINE)[1:]:
        name, ms, _, _, saved, _, peak, _ = (
            cell.strip().replace(",", "") for cell in row.split("|")
        )
        found[name] = (float(ms), float(saved), float(peak))
    return found


def plots() -> None:
    """Saved activations of three depths, and time against memory of the peers."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "figures", "font.size": 10, "axes.spines.top": False})
    plt.rcParams["axes.spines.right"] = False
    depths = (18, 50, 101)
    numbers = {depth: measured(depth) for depth in depths}
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for offset, (name, colour) in enumerate((("MMDetection", "#9fa8da"), ("FlexResNet", LINE))):
        heights = [numbers[depth][name][1] for depth in depths]
        places = [place + 0.38 * offset for place in range(len(depths))]
        bars = axes.bar(places, heights, 0.36, color=colour, label=name)
        axes.bar_label(bars, fmt="%.0f")
    axes.set_xticks(
        [place + 0.19 for place in range(len(depths))], [f"ResNet-{one}" for one in depths]
    )
    axes.set_ylabel("saved activations, MiB")
    axes.legend(frameon=False)
    save(figure, "saved-activations.svg")

    figure, sides = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    steps = {
        "norms in eval mode, first stage frozen": TRAINING,
        "batch statistics": BATCH_STATISTICS,
    }
    for axes, (title, heading) in zip(sides, steps.items(), strict=True):
        for number, (name, (ms, _, peak)) in enumerate(measured(50, heading).items(), 1):
            ours = name.startswith("FlexResNet")
            colour = LINE if ours else "#ef6c00"
            axes.scatter(peak, ms, color=colour, zorder=3, label=f"{number}  {name}")
            axes.annotate(
                str(number), (peak, ms), xytext=(5, 4), textcoords="offset points", fontsize=8
            )
        axes.set(title=title, xlabel="peak memory of a training step, MiB", xlim=(500, 2150))
        axes.grid(alpha=0.3)
        axes.legend(
            fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=1
        )
    sides[0].set_ylabel("time of a training step, ms")
    save(figure, "time-memory.svg")


def save(figure: object, name: str) -> None:
    """Write a plot the same way each time."""
    figure.savefig(FOLDER / name, metadata={"Date": None})  # type: ignore[attr-defined]


def main() -> None:
    """Draw all of them."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "block.svg").write_text(block())
    (FOLDER / "rooms.svg").write_text(rooms())
    plots()


if __name__ == "__main__":
    main()
