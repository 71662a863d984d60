// The columns of ss: as narrow as their contents, or spread over the width of the terminal.
// Widths as observed of ss 6.1, with its habit of not counting the last cell of the last row.

export interface Column {
  header: string;
  right: boolean;
  delimiter: string;
  hidden: boolean;
}

export const COLUMNS = (): Column[] => [
  { header: "Netid", right: false, delimiter: "", hidden: false },
  { header: "State", right: false, delimiter: " ", hidden: false },
  { header: "Recv-Q", right: false, delimiter: " ", hidden: false },
  { header: "Send-Q", right: false, delimiter: " ", hidden: false },
  { header: "Local Address:", right: true, delimiter: " ", hidden: false },
  { header: "Port", right: false, delimiter: "", hidden: false },
  { header: "Peer Address:", right: true, delimiter: " ", hidden: false },
  { header: "Port", right: false, delimiter: "", hidden: false },
  { header: "Process", right: false, delimiter: "", hidden: false },
];

/**
 * @param rows cells in the order of the columns.
 * @param screen columns of the terminal; 0 when there is none.
 */
export function renderTable(columns: Column[], rows: string[][], withHeader: boolean, screen: number): string {
  const all = withHeader ? [columns.map((c) => c.header), ...rows] : rows;
  const shown = columns.map((c, i) => ({ ...c, i })).filter((c) => !c.hidden);
  // The first column shown has no delimiter in front.
  if (shown.length > 0) shown[0].delimiter = "";
  const last = shown.length - 1;
  const widths = shown.map((c, k) => {
    let width = 0;
    all.forEach((row, r) => {
      const uncounted = k === last && r === all.length - 1;
      if (!uncounted) width = Math.max(width, row[c.i].length);
    });
    return width === 0 ? 0 : width + c.delimiter.length;
  });
  if (screen > 0) spread(widths, screen);
  let out = "";
  for (const row of all) {
    shown.forEach((c, k) => {
      const room = Math.max(0, widths[k] - c.delimiter.length);
      const cell = row[c.i];
      out += c.delimiter + (c.right ? cell.padStart(room) : cell.padEnd(room));
    });
    out += "\n";
  }
  return out;
}

/** Columns fill lines of the screen; what is left of each is shared out, the rest of that going to the last ones. */
function spread(widths: number[], screen: number): void {
  let i = 0;
  while (i < widths.length) {
    const line: number[] = [];
    let used = 0;
    while (i < widths.length && (line.length === 0 || used + widths[i] <= screen)) {
      used += widths[i];
      if (widths[i] > 0) line.push(i);
      i++;
    }
    if (line.length === 0) continue;
    const extra = (screen - (used % screen)) % screen;
    const each = Math.floor(extra / line.length);
    const rest = extra % line.length;
    line.forEach((k, n) => {
      widths[k] += each + (n >= line.length - rest ? 1 : 0);
    });
  }
}
