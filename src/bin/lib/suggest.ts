// "Did you mean": the nearest of some names by edit distance. Way in: `suggest(word, candidates)`.

/** ` (did you mean "cpus"?)`, or nothing when no candidate is near. */
export function suggest(word: string, candidates: Iterable<string>): string {
  if (word.length > 40) return "";
  let best: string | undefined;
  let bestDistance = word.length < 3 ? 0 : word.length <= 5 ? 2 : 3;
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

/** Edit distance in which exchanged neighbours count once. */
function levenshtein(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      let d = Math.min(substitute, row[j] + 1, next[j - 1] + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, before[j - 2] + 1);
      next.push(d);
    }
    before = row;
    row = next;
  }
  return row[b.length];
}
