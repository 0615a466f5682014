import { z } from '@hono/zod-openapi';
import { invalidInput, jsonPointer } from './validate.ts';

/** Options in a query string: text that becomes the same values that JSON has. */

const NUMBER_FORM = '[+-]?(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d{1,3})?';
const NUMBER = new RegExp(`^${NUMBER_FORM}$`);

/** A decimal number, then `schema`. */
export function numberText<T extends z.ZodType<unknown, number>>(schema: T) {
  return z
    .string()
    .regex(NUMBER, 'must be a number')
    .transform(Number)
    .pipe(schema)
    .openapi({ param: { schema: rangeOf(schema) } });
}

/** What the OpenAPI document says of a number: its type and range. */
function rangeOf(schema: z.ZodType): { type: 'number' | 'integer'; minimum?: number; maximum?: number } {
  const { type, minimum, maximum } = NumberRangeSchema.parse(z.toJSONSchema(schema, { io: 'input' }));
  return { type, ...(minimum === undefined ? {} : { minimum }), ...(maximum === undefined ? {} : { maximum }) };
}

const NumberRangeSchema = z.object({
  type: z.enum(['number', 'integer']),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
});

/** Numbers separated by commas. */
export function numbersText(names: readonly string[]) {
  const hint = `must be ${names.join(',')}`;
  return z
    .string()
    .transform((text) => text.split(','))
    .refine((parts) => parts.length === names.length && parts.every((part) => NUMBER.test(part.trim())), hint)
    .transform((parts) => parts.map(Number))
    .openapi({
      type: 'string',
      pattern: `^${names.map(() => NUMBER_FORM).join(',')}$`,
      description: `${names.join(',')}; instead of a prior`,
    });
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
