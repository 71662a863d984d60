// The next turn of the event loop: setImmediate() where there is one, a message to ourselves in a browser, where setTimeout()
// would wait 4 ms. Way in: macrotasks().

type Later = (fn: () => void) => void;

/** Runs functions in the order they came, each in a macrotask of its own. */
export function macrotasks(): Later {
  const { setImmediate } = globalThis as { setImmediate?: Later };
  if (setImmediate !== undefined) return (fn) => setImmediate(fn);
  const queue: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel();
  // A property, not addEventListener(): that would need start() as well.
  Object.assign(port1, { onmessage: () => queue.shift()?.() });
  return (fn) => {
    queue.push(fn);
    port2.postMessage(null);
  };
}
