// plotly in the colours of the page. Its script is loaded before any module runs.

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const SYMBOLS = { certified: "circle", verified: "square", measured: "square", refuted: "x", unverified: "circle-open" };

export function draw(target, traces, { xaxis, yaxis, ...layout }) {
  const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"), tickcolor: colour("line"), automargin: true };
  const font = { color: colour("faint"), family: getComputedStyle(document.body).fontFamily, size: 12 };
  return Plotly.react(target, traces, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font, margin: { t: 10, r: 10, b: 45, l: 55 },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("faint"), font: { ...font, color: colour("ink") } },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, dragmode: "zoom",
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...layout,
  }, { responsive: true, displayModeBar: false, scrollZoom: false });
}

export function redrawOnScheme(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}
