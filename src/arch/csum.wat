;; Copies inside of a packet memory, and the RFC 1071 sum of little-endian 16-bit words over n bytes at p, folded to 16 bits:
;; 32 bytes a turn in SIMD lanes.
;; Way in: node tools/gen-csum-wasm.mjs writes csum_wasm.ts from it. The lanes are 32 bits: right up to 512 KiB.
(module
  (import "host" "memory" (memory 1))
  (func (export "copy") (param $to i32) (param $from i32) (param $n i32)
    (memory.copy (local.get $to) (local.get $from) (local.get $n)))
  (func (export "csum") (param $p i32) (param $n i32) (result i32)
    (local $end i32) (local $a v128) (local $b v128) (local $s i64)
    (local.set $end (i32.add (local.get $p) (i32.and (local.get $n) (i32.const -32))))
    (block $done
      (loop $turn
        (br_if $done (i32.ge_u (local.get $p) (local.get $end)))
        (local.set $a (i32x4.add (local.get $a) (i32x4.extadd_pairwise_i16x8_u (v128.load (local.get $p)))))
        (local.set $b (i32x4.add (local.get $b) (i32x4.extadd_pairwise_i16x8_u (v128.load offset=16 (local.get $p)))))
        (local.set $p (i32.add (local.get $p) (i32.const 32)))
        (br $turn)))
    (local.set $a (i32x4.add (local.get $a) (local.get $b)))
    (local.set $s (i64.add
      (i64.add (i64.extend_i32_u (i32x4.extract_lane 0 (local.get $a))) (i64.extend_i32_u (i32x4.extract_lane 1 (local.get $a))))
      (i64.add (i64.extend_i32_u (i32x4.extract_lane 2 (local.get $a))) (i64.extend_i32_u (i32x4.extract_lane 3 (local.get $a))))))
    (local.set $n (i32.and (local.get $n) (i32.const 31)))
    (block $end_of_words
      (loop $word
        (br_if $end_of_words (i32.lt_u (local.get $n) (i32.const 2)))
        (local.set $s (i64.add (local.get $s) (i64.extend_i32_u (i32.load16_u (local.get $p)))))
        (local.set $p (i32.add (local.get $p) (i32.const 2)))
        (local.set $n (i32.sub (local.get $n) (i32.const 2)))
        (br $word)))
    (if (local.get $n)
      (then (local.set $s (i64.add (local.get $s) (i64.extend_i32_u (i32.load8_u (local.get $p)))))))
    (local.set $s (i64.add (i64.and (local.get $s) (i64.const 0xffffffff)) (i64.shr_u (local.get $s) (i64.const 32))))
    (local.set $s (i64.add (i64.and (local.get $s) (i64.const 0xffff)) (i64.shr_u (local.get $s) (i64.const 16))))
    (local.set $s (i64.add (i64.and (local.get $s) (i64.const 0xffff)) (i64.shr_u (local.get $s) (i64.const 16))))
    (i32.wrap_i64 (i64.add (i64.and (local.get $s) (i64.const 0xffff)) (i64.shr_u (local.get $s) (i64.const 16))))))
