// The front of the stored candidates at any ε, computed as on the server, so that it follows a slider immediately.

const ROUNDING = 1e-12;

export const toleranceOf = (study) => study.epsilon ?? Infinity;
export const isComplete = (member, study) => member.seen >= study.baseline.n;
export const isFeasible = (member, study, epsilon) => isComplete(member, study) && member.drop <= epsilon + ROUNDING;

// Certified needs a bound that only the server computes: its judgements at this ε are taken where they have come. What
// was certified at a smaller ε stays so at a larger one. Without an ε, which is infinite here, nothing is judged.
export function verdictAt(member, study, epsilon, judged = new Map()) {
  if (!member.verification) return "unverified";
  if (epsilon === Infinity) return "measured";
  if (judged.has(member.candidate)) return judged.get(member.candidate);
  if (member.verification.drop > epsilon + ROUNDING) return "refuted";
  return member.verification.verdict === "certified" && epsilon >= toleranceOf(study) ? "certified" : "verified";
}

export function ratioTo(baseline, member, cost) {
  switch (cost) {
    case "flops": return member.flops_ratio;
    case "bit_operations": return member.bit_operations_ratio;
    case "latency": return member.latency_ratio;
    case "energy": return member.energy_ratio;
    case "memory": return member.memory_ratio;
    case "parameters": return member.parameters / baseline.parameters;
    case "size": return member.size_bytes / baseline.size_bytes;
  }
  return member.own_ratios[cost] ?? null; // an objective of Python code
}

// Up to the study's own ε a verified study answers with its shortlist alone, compared by drops on the verification
// examples; above it, or before verification, all are compared by their drops on the search examples.
export function frontAt(members, study, limits, epsilon) {
  const tried = members.filter((m) => m.verification);
  const isFinal = study.shortlist_size > 0 && tried.length === study.shortlist_size && epsilon <= toleranceOf(study);
  const rows = [];
  for (const member of isFinal ? tried : members) {
    if (!isFeasible(member, study, epsilon) || !isWithin(member, study.baseline, limits)) continue;
    const drop = isFinal ? member.verification.drop : member.drop;
    const losses = [drop, ...study.objectives.map((cost) => ratioTo(study.baseline, member, cost))];
    if (losses.every((loss) => loss !== null)) rows.push({ member, losses });
  }
  const front = nonDominated(rows).sort((a, b) => a.member.flops_ratio - b.member.flops_ratio || a.member.candidate - b.member.candidate);
  const items = front.map((row) => row.member);
  return { items, knee: kneeOf(front, study, epsilon, isFinal), best: epsilon === Infinity ? mostAccurate(items) : null, isFinal };
}

function isWithin(member, baseline, limits) {
  return Object.entries(limits).every(([cost, limit]) => {
    const ratio = ratioTo(baseline, member, cost);
    return ratio !== null && ratio <= limit;
  });
}

// After sorting, every row that dominates another comes before it, so each is compared only with the front so far.
function nonDominated(rows) {
  const sorted = [...rows].sort((a, b) => compare(a.losses, b.losses));
  const front = [];
  for (const row of sorted) if (!front.some((other) => dominates(other.losses, row.losses))) front.push(row);
  return front;
}

function compare(a, b) {
  const place = a.findIndex((loss, i) => loss !== b[i]);
  return place < 0 ? 0 : a[place] - b[place];
}

const dominates = (a, b) => a.every((loss, i) => loss <= b[i]) && a.some((loss, i) => loss < b[i]);

function mostAccurate(items) {
  const sorted = [...items].sort((a, b) => a.drop - b.drop || (a.divergence ?? 0) - (b.divergence ?? 0) || a.candidate - b.candidate);
  return sorted[0]?.candidate ?? null;
}

// By observed drops the knee would be the luckiest member: where all are known, drops corrected for luck choose it.
function corrected(rows, isFinal) {
  const drops = rows.map((row) => row.member.verification?.shrunken_drop ?? null);
  return rows.map((row, i) => (isFinal && !drops.includes(null) ? [drops[i], ...row.losses.slice(1)] : row.losses));
}

function kneeOf(front, study, epsilon, isFinal) {
  const held = front.filter((row) => verdictAt(row.member, study, epsilon) !== "refuted");
  const standing = held.length ? held : front;
  if (!standing.length) return null;
  const points = corrected(standing, isFinal);
  const axes = points[0].map((_, i) => points.map((losses) => losses[i]));
  const spans = axes.map((values) => [Math.min(...values), Math.max(...values)]);
  const scaled = points.map((losses) => losses.map((loss, i) => (spans[i][1] > spans[i][0] ? (loss - spans[i][0]) / (spans[i][1] - spans[i][0]) : 0)));
  const digits = (value) => Math.round(value * 1e12);
  const keys = scaled.map((row) => [digits(row.reduce((a, b) => a + b, 0)), digits(Math.hypot(...row))]);
  const best = keys.reduce((least, key, i) => (compare(key, keys[least]) < 0 ? i : least), 0);
  return standing[best].member.candidate;
}
