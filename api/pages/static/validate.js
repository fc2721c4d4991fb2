// The rules of a request's fields, as the server wrote them into the form.

const listed = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
const ticked = (control) => [...control.querySelectorAll("input:checked")].map((box) => box.value);

// The value to send, undefined for an unchanged field: the server then uses its default.
export function valueOf(control) {
  switch (control.dataset.kind) {
    case "choices": return same([...control.querySelectorAll("input")], (box) => box.checked === box.defaultChecked) ? undefined : ticked(control);
    case "flag": return control.checked === control.defaultChecked ? undefined : control.checked;
    case "choice": return same([...control.options], (option) => option.selected === option.defaultSelected) || control.value === "" ? undefined : control.value;
    case "list": return control.value === control.defaultValue ? undefined : listed(control.value).map(control.dataset.items === "integer" ? Number : String);
    case "json": return control.value.trim() ? JSON.parse(control.value) : undefined;
    case "number": return control.value === "" || control.value === control.defaultValue ? undefined : control.valueAsNumber;
    default: return control.value.trim() || undefined;
  }
}

const same = (parts, test) => parts.every(test);

// What is wrong with a field in words, null for nothing.
export function problemOf(control) {
  switch (control.dataset.kind) {
    case "choices": return ticked(control).length ? null : "Choose at least one.";
    case "list": return problemOfList(control);
    case "number": return problemOfNumber(control);
    case "text": return problemOfText(control);
    case "json": return problemOfJson(control);
    default: return null;
  }
}

function problemOfText({ value, validity, title }) {
  if (validity.valueMissing || (value && !value.trim())) return "This field is required.";
  if (validity.patternMismatch) return `Use ${title}`;
  return null;
}

function problemOfNumber({ value, validity, valueAsNumber, min, max, dataset }) {
  if (validity.badInput) return "Enter a number.";
  if (validity.valueMissing) return "This field is required.";
  if (value === "") return null;
  if (validity.rangeUnderflow) return `At least ${min}.`;
  if (validity.rangeOverflow) return `At most ${max}.`;
  if (validity.stepMismatch) return "Enter a whole number.";
  if (dataset.above !== undefined && valueAsNumber <= Number(dataset.above)) return `Above ${dataset.above}.`;
  if (dataset.below !== undefined && valueAsNumber >= Number(dataset.below)) return `Below ${dataset.below}.`;
  return null;
}

function problemOfJson({ value }) {
  try {
    return !value.trim() || Array.isArray(JSON.parse(value)) ? null : "Enter a list in square brackets.";
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}

function problemOfList({ value, dataset, defaultValue }) {
  const parts = listed(value);
  if (new Set(parts).size !== parts.length) return "Enter each value once.";
  if (dataset.items !== "integer") return null;
  if (!parts.length && defaultValue) return "Enter at least one value.";
  return parts.every((part) => /^[1-9]\d*$/.test(part)) ? null : "Enter whole numbers of at least 1, separated by commas.";
}
