/**
 * Freezes a value and all it holds, so that whoever changes what it was handed is found out at once.
 * Bytes cannot be frozen in JavaScript and stay as they are.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
  return value;
}
