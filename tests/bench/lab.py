"""The lab in headless Chromium without a GPU: main-thread time from an event to the drawn picture."""

import importlib.util
import tempfile
from pathlib import Path

from tests.browser import chromium

ROOT = Path(__file__).parents[2]
# Moves a slider as a hand does, and comes back when the next frame has been drawn; without a name it moves nothing
MOVE = """
const [name, value, done] = arguments;
if (name) {
  const slider = document.querySelector(`[data-part='${name}'] input[type='range']`);
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
}
requestAnimationFrame(() => setTimeout(done));
"""
TRAIN = """
const times = [];
for (let k = 0; k < 40; k++) {
  const start = performance.now();
  INSTRUMENTS.points.tick(lab.state, lab.own);
  const trained = performance.now();
  lab.draw();
  times.push([trained - start, performance.now() - trained]);
}
return times.slice(20);
"""


def bench_lab(table, moves=20):
    """Medians of 20 moves; what a call without a move costs is subtracted."""
    spec = importlib.util.spec_from_file_location("lab", ROOT / "docs" / "lab.py")
    lab = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lab)
    table.title("lab: main-thread time in headless Chromium, from an event to the drawn picture")
    with tempfile.TemporaryDirectory() as folder, chromium() as page:
        target = Path(folder) / "lab.html"
        lab.write(target)
        page.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})  # what others run does not count

        def busy(*move):
            def now():
                metrics = page.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
                return next(m["value"] for m in metrics if m["name"] == "TaskDuration")

            start = now()
            page.execute_async_script(MOVE, *move)
            return 1000 * (now() - start)

        page.get(target.as_uri() + "#target")
        idle = sorted(busy(None, 0) for _ in range(moves))[moves // 2]
        for name, values in (("mu", [-1 + k / 20 for k in range(moves)]), ("p", [1.1 + k / 20 for k in range(moves)])):
            table.row(f"lab, the target, a move of {name}", [max(0.0, busy(name, v) - idle) for v in values], "ms", 1)
        page.get("about:blank")
        page.get(target.as_uri() + "#networks&run=cifar100/rdmreg_p1_mu0_5epochs_seed0")
        stops = [k % 6 for k in range(moves)]  # its six values of mu, to and fro
        idle = sorted(busy(None, 0) for _ in range(moves))[moves // 2]
        table.row("lab, trained networks, a move of mu", [max(0.0, busy("mu", k) - idle) for k in stops], "ms", 1)
        page.get("about:blank")
        page.get(target.as_uri() + "#points")
        steps, draws = zip(*page.execute_script(TRAIN), strict=True)
        table.row("lab, moving points, a training step", steps, "ms", 1)
        table.row("lab, moving points, drawn with the pairing", draws, "ms", 1)
