// A streaming JSON writer with the layout that iproute2 prints, plain and -pretty.

type Value = string | number | boolean | null;

export class JsonWriter {
  private depth = 0;
  private separator = "";
  private readonly pretty: boolean;
  private readonly sink: (text: string) => void;

  constructor(pretty: boolean, sink: (text: string) => void) {
    this.pretty = pretty;
    this.sink = sink;
  }

  startObject(key?: string): void {
    this.prefix(key);
    this.sink("{");
    this.depth++;
    this.separator = "";
  }
  endObject(): void {
    this.depth--;
    if (this.separator !== "") this.newline();
    this.sink("}");
    this.separator = ",";
  }
  startArray(key?: string): void {
    this.prefix(key);
    this.sink(this.pretty ? "[ " : "[");
    this.depth++;
    this.separator = "";
  }
  endArray(): void {
    this.depth--;
    if (this.separator !== "" && this.pretty) this.sink(" ");
    this.sink("]");
    this.separator = ",";
  }
  member(key: string, value: Value): void {
    this.prefix(key);
    this.scalar(value);
  }
  /** An element of an array. */
  element(value: Value): void {
    this.prefix(undefined);
    this.scalar(value);
  }
  /** A number or literal exactly as spelled. */
  literal(key: string, spelled: string): void {
    this.prefix(key);
    this.sink(spelled);
    this.separator = ",";
  }

  private scalar(value: Value): void {
    this.sink(typeof value === "string" ? quote(value) : String(value));
    this.separator = ",";
  }
  private prefix(key: string | undefined): void {
    this.sink(this.separator);
    this.separator = "";
    if (key === undefined) return;
    this.newline();
    this.sink(`${quote(key)}:${this.pretty ? " " : ""}`);
  }
  private newline(): void {
    if (this.pretty) this.sink(`\n${"    ".repeat(this.depth)}`);
  }
}

const ESCAPES: Record<string, string> = {
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
  "\f": "\\f",
  "\b": "\\b",
  "\\": "\\\\",
  '"': '\\"',
};

function quote(s: string): string {
  return `"${s.replace(/[\t\n\r\f\b\\"]/g, (c) => ESCAPES[c])}"`;
}
