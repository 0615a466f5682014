import * as z from 'zod';
import { UsageError } from './failure.ts';

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$/;

/** The number of an option, checked; undefined when it was not given. Throws UsageError. */
export function numberOption(name: string, text: string | undefined, schema: z.ZodType<number>): number | undefined {
  if (text === undefined) return undefined;
  if (!NUMBER.test(text.trim())) throw wrong(name, `must be a number, not ${JSON.stringify(text)}`);
  return checked(name, schema, Number(text));
}

/** Numbers separated by commas, as many as there are names. Throws UsageError. */
export function numbersOption(name: string, text: string, names: readonly string[]): number[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length === names.length && parts.every((part) => NUMBER.test(part))) return parts.map(Number);
  throw wrong(name, `must be ${names.join(',')}, not ${JSON.stringify(text)}`);
}

/** One of a few words. Throws UsageError. */
export function wordOption<const T extends string>(name: string, text: string | undefined, words: readonly T[]): T {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw wrong(name, `must be one of ${words.join(', ')}${text === undefined ? '' : `, not ${JSON.stringify(text)}`}`);
}

/** Parses with the schema that the API uses, so that both say the same. Throws UsageError. */
export function checked<T extends z.ZodType>(name: string, schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw wrong(name, parsed.error.issues.map((issue) => issue.message).join('; '));
}

/** Throws UsageError when it was not given. */
export function required(name: string, value: string | undefined, example: string): string {
  if (value !== undefined && value !== '') return value;
  throw new UsageError(`${name} is needed, for example ${name} ${example}`);
}

export const MetresSchema = z
  .number()
  .positive('must be more than 0 metres')
  .max(100_000, 'must be at most 100000 metres');

function wrong(name: string, problem: string): UsageError {
  return new UsageError(`${name} ${problem}`);
}

/** A whole number. Throws UsageError. */
export function wholeOption(name: string, text: string | undefined, { min }: { min: number }): number | undefined {
  return numberOption(name, text, z.int('must be a whole number').min(min, `must be at least ${min}`));
}
