import type { Context } from 'hono';
import type * as z from 'zod';
import { type BodyBudget, readBody } from './body.ts';
import type { AppEnv } from './context.ts';
import { parseJson } from './form.ts';
import { HttpProblem } from './problems.ts';
import { parseInput } from './validate.ts';

/** Of a small description; images have limits of their own. */
const MAX_JSON_BYTES = 16 * 1024;

/**
 * A small JSON body, checked with `schema`; no body is an empty object. Errors: UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY,
 * BODY_TOO_LARGE, INVALID_REQUEST, OVERLOADED, CANCELED.
 */
export async function readJson<T extends z.ZodType>(
  c: Context<AppEnv>,
  schema: T,
  { budget }: { readonly budget: BodyBudget },
): Promise<z.infer<T>> {
  const { bytes, release } = await readBody(c.req.raw, { maxBytes: MAX_JSON_BYTES, budget, signal: c.get('signal') });
  try {
    if (bytes.length === 0) return parseInput(schema, {});
    const mediaType = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
    if (mediaType !== 'application/json') {
      throw new HttpProblem(
        'UNSUPPORTED_MEDIA_TYPE',
        'The body is read as JSON: send Content-Type: application/json.',
        {
          headers: { 'accept-post': 'application/json' },
        },
      );
    }
    return parseInput(schema, parseJson(bytes, 'The body'));
  } finally {
    release();
  }
}
