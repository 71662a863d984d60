// The key of Microsoft's RSS test vectors.

export const KEY = Uint8Array.from(
  "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa".match(/../g)!,
  (h) => Number.parseInt(h, 16),
);
