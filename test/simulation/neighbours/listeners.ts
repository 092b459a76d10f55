/** As much of an event emitter as the HTTP edge asks of requests, responses and sockets. */
type Listener = (...values: never[]) => void;

interface Listening {
  readonly name: string;
  readonly listener: Listener;
  readonly isOnce: boolean;
}

export class Listeners {
  #all: Listening[] = [];

  on(name: string, listener: Listener): this {
    this.#all.push({ name, listener, isOnce: false });
    return this;
  }

  once(name: string, listener: Listener): this {
    this.#all.push({ name, listener, isOnce: true });
    return this;
  }

  off(name: string, listener: Listener): this {
    const at = this.#all.findIndex((each) => each.name === name && each.listener === listener);
    if (at >= 0) this.#all = this.#all.toSpliced(at, 1);
    return this;
  }

  listens(name: string): boolean {
    return this.#all.some((each) => each.name === name);
  }

  emit(name: string, ...values: unknown[]): void {
    const called = this.#all.filter((each) => each.name === name);
    if (called.some(({ isOnce }) => isOnce)) {
      this.#all = this.#all.filter((each) => each.name !== name || !each.isOnce);
    }
    for (const { listener } of called) listener(...(values as never[]));
  }
}
