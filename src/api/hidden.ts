// Properties that console.log() and deepEqual() of a socket do not go into. Way in: hidden(this, "machine", machine).

/** Sets a property that is not enumerable. */
export function hidden<T extends object, K extends keyof T>(of: T, name: K, value: T[K]): void {
  Object.defineProperty(of, name, { value, writable: true, configurable: true, enumerable: false });
}
