// dnsd: master files (RFC 1035 §5) and the answers of RFC 1034 §4.3.2.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answer } from "../../../../src/bin/dnsd/dnsd.ts";
import { Zones } from "../../../../src/bin/dnsd/zone.ts";
import { NOERROR, NXDOMAIN, query, REFUSED, type RecordType, SERVFAIL } from "../../../../src/bin/lib/dns.ts";
import { inetAton } from "../../../../src/bin/lib/inet.ts";

const ZONE = `$TTL 1h
@   IN SOA ns hostmaster ( 2026010101 ; serial
        3600 600 86400 60 )
    IN NS ns
    MX 10 mail
    TXT "hello ; world" second
ns  A 10.0.1.1
mail 300 IN A 10.0.0.9
www A 10.0.0.2
two A 10.0.0.3
    A 10.0.0.4
alias CNAME www
out CNAME www.elsewhere.example.
*.wild A 10.0.0.99
a.b.c A 10.0.0.77
loop CNAME loop
`;

function zones(): Zones {
  const z = new Zones();
  assert.deepEqual(z.addFile(ZONE, "lab.example"), []);
  return z;
}

function ask(
  name: string,
  type: RecordType = "A",
  strict = false,
): { rcode: number; answers: unknown[]; authorities: number } {
  const reply = answer(zones(), query(1, name, type), strict)!;
  return { rcode: reply.rcode, answers: reply.answers.map((r) => r.data), authorities: reply.authorities.length };
}

test("addresses, several of them, TTLs, comments and parentheses", () => {
  assert.deepEqual(ask("www.lab.example"), { rcode: NOERROR, answers: ["10.0.0.2"], authorities: 0 });
  assert.deepEqual(ask("TWO.lab.example").answers, ["10.0.0.3", "10.0.0.4"]);
  assert.deepEqual(ask("lab.example", "TXT").answers, [["hello ; world", "second"]]);
  assert.equal(answer(zones(), query(1, "mail.lab.example", "A"))!.answers[0].ttl, 300);
});

test("an alias brings what it stands for; one out of the zone stands alone; a loop is a failure", () => {
  assert.deepEqual(ask("alias.lab.example").answers, ["www.lab.example", "10.0.0.2"]);
  assert.deepEqual(ask("out.lab.example").answers, ["www.elsewhere.example"]);
  assert.deepEqual(ask("loop.lab.example"), { rcode: SERVFAIL, answers: [], authorities: 0 });
});

test("no such name, no such type, a name that only has names below it", () => {
  assert.deepEqual(ask("nope.lab.example"), { rcode: NXDOMAIN, answers: [], authorities: 1 });
  assert.deepEqual(ask("www.lab.example", "MX"), { rcode: NOERROR, answers: [], authorities: 1 });
  assert.deepEqual(ask("b.c.lab.example"), { rcode: NOERROR, answers: [], authorities: 1 });
});

test("wildcards (RFC 4592)", () => {
  const reply = answer(zones(), query(1, "x.wild.lab.example", "A"))!;
  assert.deepEqual(reply.answers, [{ name: "x.wild.lab.example", type: "A", ttl: 3600, data: "10.0.0.99" }]);
});

test("other zones: nothing else exists, or with -s nothing is said", () => {
  assert.equal(ask("www.other.example").rcode, NXDOMAIN);
  assert.equal(ask("www.other.example", "A", true).rcode, REFUSED);
});

test("the addresses of a mail exchanger come along", () => {
  const reply = answer(zones(), query(1, "lab.example", "MX"))!;
  assert.deepEqual(
    reply.additionals.map((r) => r.data),
    ["10.0.0.9"],
  );
});

test("a hosts file gives names and pointers", () => {
  const z = new Zones();
  z.addHosts([{ addr: inetAton("10.0.0.1")!, names: ["pc1", "pc1.lab"] }]);
  assert.deepEqual(answer(z, query(1, "pc1", "A"))!.answers[0].data, "10.0.0.1");
  assert.deepEqual(answer(z, query(1, "1.0.0.10.in-addr.arpa", "PTR"))!.answers[0].data, "pc1");
  assert.equal(answer(z, query(1, "pc2", "A"))!.rcode, NXDOMAIN);
});

test("mistakes are told with their lines", () => {
  const z = new Zones();
  assert.deepEqual(z.addFile("bad\nwww A 1.2.3\n$FOO x\nq QQ 1\nok A 1.2.3.4\n", "x"), [
    "1: a record without a type",
    "2: wrong data for A: '1.2.3'",
    "3: unknown directive '$FOO'",
    "4: unknown record type 'QQ'",
  ]);
});

test("responses, other opcodes and empty questions", () => {
  assert.equal(answer(zones(), { ...query(1, "www.lab.example", "A"), response: true }), null);
  assert.equal(answer(zones(), { ...query(1, "www.lab.example", "A"), opcode: 5 })!.rcode, 4);
  assert.equal(answer(zones(), { ...query(1, "x", "A"), questions: [] })!.rcode, 1);
});
