// Constructors that also work as Node's do for subclasses of before `class`: util.inherits(Mine, net.Socket); net.Socket.call(this).
// Way in: `class X extends onto(Duplex)`, whose super() takes the object to be made, if there is one already.

import type { NodeMachine } from "./node.ts";

type Construct = abstract new (...args: never[]) => object;

/** `Base` (a function, as Node's streams and emitters are) with one more argument: the object that it is called on. */
export function onto<C extends Construct>(Base: C): C {
  function Root(this: unknown, options?: unknown, target?: object): object {
    if (target === undefined) return Reflect.construct(Base as never, [options], new.target as never) as object;
    (Base as unknown as (this: object, options?: unknown) => void).call(target, options);
    // What super() returns is `this` of the class: its fields are made on it.
    return target;
  }
  Root.prototype = Base.prototype;
  Object.setPrototypeOf(Root, Base);
  return Root as unknown as C;
}

/** A constructor of this machine's: `instanceof`, subclasses and calls without `new` all work. */
export function bound<C>(
  machine: NodeMachine,
  Base: new (...args: never[]) => object,
  name: string,
  length: number,
): C {
  function Bound(this: unknown, ...args: unknown[]): object {
    // Called on an object of its own: a subclass of before there were classes.
    const target = new.target === undefined && this instanceof Bound ? this : undefined;
    const given = Array.from({ length }, (_, i) => args[i]);
    return Reflect.construct(Base, [machine, ...given, target] as never[], (new.target as never) ?? Bound);
  }
  Bound.prototype = Object.create(Base.prototype, {
    constructor: { value: Bound, writable: true, configurable: true },
  });
  Object.setPrototypeOf(Bound, Base);
  Object.defineProperty(Bound, "name", { value: name });
  Object.defineProperty(Bound, "length", { value: length });
  return Bound as unknown as C;
}
