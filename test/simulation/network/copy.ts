/**
 * What goes over a network arrives as another value: plain objects, lists, bytes and what is in
 * them. The meter counts roughly what it would be on the wire.
 */
export interface Meter {
  bytes: number;
}

const NUMBER_BYTES = 8;

export function copyOf<T>(value: T, meter: Meter): T {
  return copied(value, meter) as T;
}

function copied(value: unknown, meter: Meter): unknown {
  if (typeof value === 'string') {
    meter.bytes += value.length;
    return value;
  }
  if (typeof value !== 'object' || value === null) {
    meter.bytes += NUMBER_BYTES;
    return value;
  }
  if (value instanceof Uint8Array) {
    meter.bytes += value.length;
    // Of a Buffer, `slice` would share its memory.
    return Uint8Array.prototype.slice.call(value);
  }
  if (Array.isArray(value)) return value.map((each) => copied(each, meter));
  const copy: Record<string, unknown> = {};
  for (const name in value) copy[name] = copied((value as Record<string, unknown>)[name], meter);
  return copy;
}
