const MAX_CHARS = 80;

/** A value as error messages quote it: at most 80 characters, one line, and never throwing, whatever a stranger sent. */
export function shown(value: unknown): string {
  const text = render(value);
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS - 3)}...` : text;
}

function render(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MAX_CHARS));
  if (Array.isArray(value)) return `an array of ${value.length}`;
  // String() calls what the object brings along: {"toString":1} from JSON would make it throw.
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}
