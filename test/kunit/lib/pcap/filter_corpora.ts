// The corpus of packets per link type with the expressions tried on it; shared by the test and the tool that records.

import { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, LINKTYPE_RAW } from "../../../../src/lib/pcap/dlt.ts";
import { as_raw, as_sll, as_sll2, filter_frames, type Sample, sample } from "./corpus.ts";
import { COOKED_EXPRESSIONS, ETHER_EXPRESSIONS, EXPRESSIONS } from "./expressions.ts";

export interface FilterCorpus {
  name: string;
  linktype: number;
  file_linktype: number;
  packets: Sample[];
  expressions: readonly string[];
}

export const filter_corpora = (): FilterCorpus[] => {
  const frames = filter_frames();
  const wrap = (f: (b: number[], i: number) => number[] | undefined): Sample[] =>
    frames.flatMap(([name, b], i) => {
      const w = f(b, i);
      return w ? [sample(name, w, i)] : [];
    });
  const corpus = (
    name: string,
    linktype: number,
    packets: Sample[],
    more: readonly string[],
    file_linktype = linktype,
  ): FilterCorpus => ({
    name,
    linktype,
    file_linktype,
    packets,
    expressions: [...EXPRESSIONS, ...more],
  });
  return [
    corpus(
      "en10mb",
      DLT_EN10MB,
      wrap((b) => b),
      ETHER_EXPRESSIONS,
    ),
    corpus(
      "sll",
      DLT_LINUX_SLL,
      wrap((b, i) => as_sll(b, i % 3 === 0)),
      COOKED_EXPRESSIONS,
    ),
    corpus(
      "sll2",
      DLT_LINUX_SLL2,
      wrap((b, i) => as_sll2(b, i % 3 === 0, 2 + (i & 1))),
      COOKED_EXPRESSIONS,
    ),
    corpus(
      "raw",
      DLT_RAW,
      wrap((b) => as_raw(b)),
      COOKED_EXPRESSIONS,
      LINKTYPE_RAW,
    ),
  ];
};

/** Numbers of the packets that match, from 1, as ranges: "1-3,7". */
export const match_text = (hits: readonly boolean[]): string => {
  const out: string[] = [];
  for (let i = 0; i < hits.length; i++) {
    if (!hits[i]) continue;
    let j = i;
    while (hits[j + 1]) j++;
    out.push(j > i ? `${i + 1}-${j + 1}` : `${i + 1}`);
    i = j;
  }
  return out.join(",") || "-";
};
