// The table of the front, in the columns in which the server renders it first.
import { between, count, element, fixed, percent, ratio } from "./format.js";
import { verdictAt } from "./front.js";

export function drawTable(body, view) {
  const ticked = new Set([...body.querySelectorAll("input:checked")].map((box) => box.value));
  body.replaceChildren(...view.front.items.map((member) => rowOf(member, view, ticked)));
  document.getElementById("no-front").hidden = view.front.items.length > 0;
}

function rowOf(member, view, ticked) {
  const box = element("input", { type: "checkbox", name: "candidate", value: member.candidate, "aria-label": `Compare candidate ${member.candidate}` });
  box.checked = ticked.has(String(member.candidate));
  const link = element("a", { href: `${view.path}/candidates/${member.candidate}`, text: `#${member.candidate}` });
  const name = element("td", { class: "first" }, link);
  if (member.candidate === view.front.knee) name.append(" ", element("span", { class: "tag", text: "knee" }));
  if (member.candidate === view.front.best) name.append(" ", element("span", { class: "tag", text: "best" }));
  if (member.distribution) name.append(" ", element("span", { class: "tag", text: member.distribution }));
  const verdict = verdictAt(member, view.study, view.epsilon, view.judged);
  const numbers = {
    "FLOPs": percent(member.flops_ratio), "Drop, search": fixed(member.drop), "Drop, verified": fixed(member.verification?.drop), "95 %": between(member.verification?.interval),
    "Corrected": fixed(member.verification?.shrunken_drop),
    "Latency": ratio(member.latency_ratio, member.latency_gain), "Energy": ratio(member.energy_ratio, member.energy_gain, member.energy_ratio_interval), "Parameters": count(member.parameters),
  };
  const badge = element("td", {}, element("span", { class: `badge ${verdict}`, text: verdict }));
  const row = element("tr", {}, element("td", { class: "tick" }, box), name, badge, ...Object.entries(numbers).map(([label, text]) => element("td", { class: "number", "data-label": label, text })));
  row.classList.toggle("chosen", member.candidate === view.chosen);
  return row;
}
