import type * as z from 'zod';
import { Geo2Error } from '../core/errors.ts';
import { type FieldError, isFieldError } from './problems.ts';

/** Where a value came from, as the start of a JSON pointer: `#` for a JSON body, `#/options` for a part of a form. */
export type PointerOf = (path: readonly PropertyKey[]) => string;

/** Parses what a caller sent. Throws INVALID_REQUEST with `data.errors`: every problem with its pointer. */
export function parseInput<T extends z.ZodType>(
  schema: T,
  value: unknown,
  pointerOf: PointerOf = jsonPointer,
): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalidInput(parsed.error.issues.flatMap((issue) => describe(issue, pointerOf)));
}

export function invalidInput(errors: readonly FieldError[]): Geo2Error {
  const [first, ...rest] = errors;
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more)`;
  const detail = first === undefined ? 'The request is not valid.' : `${first.pointer}: ${first.detail}${more}`;
  return new Geo2Error('INVALID_REQUEST', detail, { data: { errors } });
}

/** What `invalidInput` was given; nothing of any other error. */
export function fieldErrorsOf(error: unknown): readonly FieldError[] {
  if (!(error instanceof Geo2Error) || error.code !== 'INVALID_REQUEST' || !Array.isArray(error.data.errors)) return [];
  return error.data.errors.filter(isFieldError);
}

/** RFC 6901 in its fragment form. */
export function jsonPointer(path: readonly PropertyKey[]): string {
  return `#${path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`;
}

function describe(issue: z.core.$ZodIssue, pointerOf: PointerOf): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      detail: 'is no option here; see /docs for those that are',
      pointer: pointerOf([...issue.path, key]),
    }));
  }
  return [{ detail: issue.message, pointer: pointerOf(issue.path) }];
}
