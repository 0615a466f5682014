import { z } from '@hono/zod-openapi';
import { invalidInput, jsonPointer } from './validate.ts';

/** Options in a query string: text that becomes the same values that JSON has. */

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$/;

/** A decimal number, then `schema`. */
export function numberText<T extends z.ZodType<unknown, number>>(schema: T) {
  return z
    .string()
    .regex(NUMBER, 'must be a number')
    .transform(Number)
    .pipe(schema)
    .openapi({ param: { schema: { type: 'number' } } });
}

/** Numbers separated by commas. */
export function numbersText(names: readonly string[]) {
  const hint = `must be ${names.join(',')}`;
  return z
    .string()
    .transform((text) => text.split(','))
    .refine((parts) => parts.length === names.length && parts.every((part) => NUMBER.test(part.trim())), hint)
    .transform((parts) => parts.map(Number))
    .openapi({ type: 'string', description: `${names.join(',')}; instead of a prior` });
}

/** Every parameter once. Throws INVALID_REQUEST for one that is given twice. */
export function queryOf(url: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of new URL(url).searchParams) {
    if (Object.hasOwn(found, name)) {
      throw invalidInput([
        { detail: 'is given twice; separate several values by commas', pointer: jsonPointer([name]) },
      ]);
    }
    found[name] = value;
  }
  return found;
}
