"""Draw docs/pictures/headline.png, the picture of the front page, of the numbers in headline.json.

python docs/pictures/headline.py
"""

import json
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).parent
# A plain array is fast and wrong, so it is grey; the lock by hand is right if nobody forgets it.
COLORS = {"plain ndarray": "#bbbbbb", "LockedArray": "#1f77b4", "ndarray, with lock:": "#ff9f40"}


def draw(axes, panel):
    """Draw one panel: for each row one bar for each contender."""
    names, thickness = panel["bars"], 0.8 / len(panel["bars"])
    for row, values in enumerate(panel["rows"].values()):
        for bar, (name, value) in enumerate(zip(names, values, strict=True)):
            y = row + (bar - (len(names) - 1) / 2) * thickness
            axes.barh(
                y, value, thickness * 0.9, color=COLORS[name], label=name if not row else None
            )
            axes.text(value, y, f" {value:g}", va="center", fontsize=9)
    axes.set_yticks(range(len(panel["rows"])), panel["rows"], fontsize=10)
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.set_title(panel["title"], fontsize=11)
    axes.set_xlabel(panel["unit"], fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


panels = json.loads((HERE / "headline.json").read_text(encoding="utf-8"))["panels"]
figure = Figure(figsize=(11, 3.9), layout="constrained")
for axes, panel in zip(figure.subplots(1, len(panels)), panels, strict=True):
    draw(axes, panel)
handles, labels = axes.get_legend_handles_labels()
figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
figure.savefig(HERE / "headline.png", dpi=120)
