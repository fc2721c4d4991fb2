// Figures as the server writes them.
export const isShown = (value) => value !== null && value !== undefined;
export const fixed = (value, digits = 4) => (isShown(value) ? value.toFixed(digits).replace("-", "−") : "–");
export const percent = (value) => (isShown(value) ? `${(value * 100).toFixed(1)} %` : "–");
export const between = (bounds) => (bounds ? `[${fixed(bounds[0])}, ${fixed(bounds[1])}]` : "–");
export const count = (value) => value.toLocaleString("en");
export const ratio = (value, gain = true, bounds = null) =>
  isShown(value) ? `×${value.toFixed(2)}${gain ? (bounds ? ` [${fixed(bounds[0], 2)}, ${fixed(bounds[1], 2)}]` : "") : " no gain"}` : "–";

export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

// The words of the server, to the second.
export function duration(seconds) {
  const whole = Math.round(seconds), hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}
