// Live figures: a plotly figure takes the place of its still picture. plotly.js loads only on pages that have one.
// Without JavaScript, or where a figure needs WebGL and there is none, the picture stays.
(() => {
  const base = new URL("plotly.min.js", document.currentScript.src);
  const hasWebGL = () => Boolean(document.createElement("canvas").getContext("webgl"));
  const needsWebGL = (figure) => figure.data.some((trace) => /3d$|^(surface|cone|streamtube|volume)$/.test(trace.type));

  async function bringToLife(script) {
    const figure = JSON.parse(script.textContent);
    const still = script.closest(".cell_output").querySelector("img");
    if (needsWebGL(figure) && !hasWebGL()) return;
    const live = document.createElement("div");
    live.className = "live";
    live.setAttribute("role", "figure");
    if (still) live.setAttribute("aria-label", still.alt);
    script.after(live);
    // As wide as the page allows, up to the width that the notebook asked for; on a phone it scrolls.
    const { width, ...layout } = figure.layout;
    if (width) Object.assign(live.style, { maxWidth: `${width}px`, minWidth: `${0.65 * width}px` });
    await Plotly.newPlot(live, { ...figure, layout, config: { responsive: true, displaylogo: false } });
    if (still) still.hidden = true;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const scripts = document.querySelectorAll("script.live-figure");
    if (!scripts.length) return;
    const library = document.createElement("script");
    library.src = base;
    library.onload = () => scripts.forEach(bringToLife);
    document.head.append(library);
  });

  // An equation within a line that is wider than its column, on a phone, gets a line of its own, which scrolls.
  const giveRoom = () => {
    for (const equation of document.querySelectorAll("span.math")) {
      equation.classList.remove("wide");
      equation.classList.toggle("wide", equation.firstElementChild?.offsetWidth > equation.offsetWidth + 1); // the theme would cut it
    }
  };
  addEventListener("load", () => window.MathJax?.startup?.promise.then(giveRoom));
  addEventListener("resize", giveRoom);
})();
