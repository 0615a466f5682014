import type { OpenAPIHono } from '@hono/zod-openapi';
import { isCounted } from './limits.ts';
import { PROBLEMS, type ProblemCode } from './problems.ts';

type Document = ReturnType<OpenAPIHono['getOpenAPI31Document']>;
type PathItem = NonNullable<Document['paths']>[string];
type Operation = NonNullable<PathItem['get']>;
type Responses = NonNullable<Operation['responses']>;

const METHODS = ['get', 'post', 'delete'] as const;
const KEY_PROBLEMS: readonly ProblemCode[] = [
  'KEY_REQUIRED',
  'KEY_INVALID',
  'KEY_EXPIRED',
  'KEY_REVOKED',
  'SCOPE_REQUIRED',
  'DATABASE_FAILED',
];
const QUOTA_PROBLEMS: readonly ProblemCode[] = ['RATE_LIMITED', 'TOO_MANY_IN_FLIGHT'];
const REPEAT_PROBLEMS: readonly ProblemCode[] = [
  'IDEMPOTENCY_KEY_INVALID',
  'IDEMPOTENCY_IN_FLIGHT',
  'IDEMPOTENCY_KEY_REUSED',
];

const text = (description: string) => ({ description, schema: { type: 'string' as const } });
const RATE_HEADERS = {
  'RateLimit-Policy': text('The key’s quota: `"default";q=600;w=60` is 600 requests in 60 s'),
  RateLimit: text('What is left of it: `"default";r=12;t=30` is 12 requests, and all again in 30 s'),
};
const REPLAYED_HEADER = { 'Idempotency-Replayed': text('`true` when this is the answer of an earlier request') };
const RETRY_AFTER = {
  'Retry-After': { description: 'Seconds until another try makes sense', schema: { type: 'integer' as const } },
};

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  required: false,
  description:
    'A new name for each new request, such as a UUID. The same request again, under the same name and within a day, is not worked on twice but gets the same answer.',
  schema: {
    type: 'string' as const,
    format: 'idempotency-key',
    minLength: 1,
    maxLength: 255,
    pattern: '^[!-~]{1,255}$',
  },
};

/**
 * Adds to every route of /v1 what no route has to say by itself: keys, quotas, requests that may be repeated. Where the service asks
 * for no keys, none is declared as needed.
 */
export function withCommonParts(document: Document, options: { needsKeys: boolean }): Document {
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    if (!path.startsWith('/v1/')) continue;
    for (const method of METHODS) {
      const operation = item[method];
      if (operation !== undefined) item[method] = completed(operation, { path, method, ...options });
    }
  }
  return {
    ...document,
    components: {
      ...document.components,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'Authorization: Bearer KEY' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  };
}

function completed(
  operation: Operation,
  { path, method, needsKeys }: { path: string; method: string; needsKeys: boolean },
): Operation {
  const counted = isCounted(path);
  const repeatable = method === 'post';
  const problems = [...KEY_PROBLEMS, ...(counted ? QUOTA_PROBLEMS : []), ...(repeatable ? REPEAT_PROBLEMS : [])];
  return {
    ...operation,
    ...(needsKeys ? { security: [{ bearer: [] }, { apiKey: [] }] } : {}),
    ...(repeatable ? { parameters: [...(operation.parameters ?? []), IDEMPOTENCY_KEY] } : {}),
    responses: withHeaders(withProblems(operation.responses ?? {}, problems), { counted, repeatable }),
  };
}

function withProblems(responses: Responses, problems: readonly ProblemCode[]): Responses {
  const all: Responses = { ...responses };
  for (const code of problems) {
    const { status, title } = PROBLEMS[code];
    const line = `${code}: ${title}`;
    const said = all[status];
    if (typeof said?.description === 'string') {
      all[status] = { ...said, description: `${said.description}\n\n${line}` };
    } else {
      all[status] = {
        description: line,
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        ...([429, 503].includes(status) ? { headers: RETRY_AFTER } : {}),
      };
    }
  }
  return all;
}

function withHeaders(
  responses: Responses,
  { counted, repeatable }: { counted: boolean; repeatable: boolean },
): Responses {
  const added = { ...(counted ? RATE_HEADERS : {}), ...(repeatable ? REPLAYED_HEADER : {}) };
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => {
      if (!/^(2|429)/.test(status) || !('description' in response)) return [status, response];
      return [status, { ...response, headers: { ...response.headers, ...added } }];
    }),
  );
}
