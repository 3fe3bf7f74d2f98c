/**
 * Values of templates. Objects are Go's structs: a field that is not there is a mistake of the
 * template. Objects without a prototype are Go's maps: any key may be asked for.
 */
export type GoMap<V = unknown> = Readonly<Record<string, V>>;

/** A map with its keys in order, as Go prints and encodes them. */
export function goMap<V>(record: Readonly<Record<string, V>>): GoMap<V> {
  const map = Object.create(null) as Record<string, V>;
  for (const key of Object.keys(record).sort()) map[key] = record[key] as V;
  return map;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isMap(value: unknown): value is GoMap {
  return isObject(value) && Object.getPrototypeOf(value) === null;
}

/** What `{{value}}` prints: Go's %v. */
export function goPrint(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  if (Array.isArray(value)) return `[${value.map(goPrint).join(' ')}]`;
  if (isMap(value))
    return `map[${Object.entries(value)
      .map(([key, v]) => `${key}:${goPrint(v)}`)
      .join(' ')}]`;
  if (isObject(value))
    return `{${Object.values(value)
      .filter((v) => typeof v !== 'function')
      .map((v) => (v === undefined ? '<nil>' : goPrint(v)))
      .join(' ')}}`;
  return String(value);
}

/** What `if` and `and` take for true: all but false, 0, "", nil and what is empty. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** Go's fmt.Sprintf for %s %v %d %q %t %x %X %f %c %% with flags, width and precision. */
export function goFormat(format: string, args: readonly unknown[]): string {
  let next = 0;
  const text = format.replace(/%([-+0 #]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g, (_all, flags, width, precision, verb) => {
    if (verb === '%') return '%';
    if (next >= args.length) return `%!${verb}(MISSING)`;
    const cell = formatOne(args[next++], verb as string, precision === undefined ? undefined : Number(precision));
    const signed = (flags as string).includes('+') && /^\d/.test(cell) && 'df'.includes(verb) ? `+${cell}` : cell;
    if (width === undefined) return signed;
    if ((flags as string).includes('-')) return signed.padEnd(Number(width));
    return signed.padStart(Number(width), (flags as string).includes('0') ? '0' : ' ');
  });
  if (next >= args.length) return text;
  const extra = args.slice(next).map((value) => `${typeof value}=${goPrint(value)}`);
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}

function formatOne(value: unknown, verb: string, precision: number | undefined): string {
  const wrong = `%!${verb}(${typeof value}=${goPrint(value)})`;
  switch (verb) {
    case 'v':
      return goPrint(value);
    case 's':
      return goPrint(value).slice(0, precision);
    case 'q':
      return JSON.stringify(goPrint(value));
    case 't':
      return typeof value === 'boolean' ? String(value) : wrong;
    case 'd':
      return Number.isInteger(value) ? String(value) : wrong;
    case 'f':
      return typeof value === 'number' ? value.toFixed(precision ?? 6) : wrong;
    case 'c':
      return Number.isInteger(value) ? String.fromCodePoint(Number(value)) : wrong;
    case 'x':
    case 'X': {
      const hex = typeof value === 'number' ? value.toString(16) : Buffer.from(goPrint(value)).toString('hex');
      return verb === 'X' ? hex.toUpperCase() : hex;
    }
    default:
      return wrong;
  }
}
