// "Did you mean": the nearest of some names by edit distance. Way in: `suggest(word, candidates)`.

/** ` (did you mean "cpus"?)`, or nothing when no candidate is near. */
export function suggest(word: string, candidates: Iterable<string>): string {
  if (word.length > 40) return "";
  let best: string | undefined;
  let bestDistance = word.length <= 3 ? 2 : 3;
  for (const c of candidates) {
    if (Math.abs(c.length - word.length) >= bestDistance) continue;
    const d = levenshtein(word.toLowerCase(), c.toLowerCase());
    if (d < bestDistance) {
      best = c;
      bestDistance = d;
    }
  }
  return best === undefined ? "" : ` (did you mean "${best}"?)`;
}

function levenshtein(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
