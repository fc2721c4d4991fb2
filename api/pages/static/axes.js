// What a plot can show on an axis; lower is better on every one.

export const AXES = {
  "FLOPs ratio": { of: (m) => m.flops_ratio, dense: () => 1 },
  "drop, search": { of: (m) => m.drop, dense: () => 0, isDrop: true },
  "drop, verified": { of: (m) => m.verification?.drop ?? null, dense: () => 0, isDrop: true },
  "bit operations ratio": { of: (m) => m.bit_operations_ratio ?? null, dense: () => 1 },
  "latency ratio": { of: (m) => m.latency_ratio, dense: () => 1 },
  "energy ratio": { of: (m) => m.energy_ratio, dense: () => 1 },
  "parameters": { of: (m) => m.parameters, dense: (baseline) => baseline.parameters },
  "size, bytes": { of: (m) => m.size_bytes, dense: (baseline) => baseline.size_bytes },
  "peak memory ratio": { of: (m) => m.memory_ratio ?? null, dense: () => 1 },
  "divergence": { of: (m) => m.divergence, dense: () => 0 },
};

export function known(members) {
  for (const cost of Object.keys(members[0]?.own_ratios ?? {})) // objectives of Python code
    AXES[`${cost} ratio`] = { of: (m) => m.own_ratios[cost] ?? null, dense: () => 1 };
  return Object.keys(AXES).filter((name) => members.some((m) => AXES[name].of(m) !== null));
}

// Fills the two selects; keeps what is chosen where it still exists.
export function offer(members, first, change) {
  const names = known(members);
  const cost = members.some((m) => m.recipe) ? "parameters" : "FLOPs ratio"; // zeros of masks save no FLOPs
  for (const [id, wanted] of [["x-axis", cost], ["y-axis", first]]) {
    const select = document.getElementById(id);
    const chosen = names.includes(select.value) ? select.value : names.includes(wanted) ? wanted : names[0];
    select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
    select.onchange = change;
  }
}

export const chosen = () => ["x-axis", "y-axis"].map((id) => document.getElementById(id).value);
