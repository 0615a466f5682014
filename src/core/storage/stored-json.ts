import * as z from 'zod';
import { Geo2Error } from '../errors.ts';

/** Parses JSON that was stored by another program. Throws MANIFEST_INVALID with a sentence per problem. */
export function parseStoredJson<T extends z.ZodType>(schema: T, bytes: Uint8Array, where: string): z.infer<T> {
  const parsed = schema.safeParse(parseJson(bytes, where));
  if (parsed.success) return parsed.data;
  throw new Geo2Error('MANIFEST_INVALID', `${where} is not valid:\n${z.prettifyError(parsed.error)}`, {
    data: { file: where, issues: parsed.error.issues.map((issue) => ({ at: issue.path, problem: issue.message })) },
  });
}

function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Geo2Error('MANIFEST_INVALID', `${where} is not JSON.`, { data: { file: where }, cause });
  }
}
