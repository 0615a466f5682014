import { serveStatic } from '@hono/node-server/serve-static';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { AppEnv } from './context.ts';
import { withCommonParts } from './openapi-common.ts';
import { PROBLEMS } from './problems.ts';

const DESCRIPTION = `Send a photo, get where it was taken, with an honest accuracy.

Errors are RFC 9457 problems (\`application/problem+json\`) with a stable \`code\`; [all of them](/docs/problems).
Overload is 503 with \`Retry-After\`. \`X-Request-Id\` and \`traceparent\` are accepted and returned.`;

export interface DocsDeps {
  readonly version: string;
  readonly swaggerUiDir: string;
  /** Whether the routes of /v1 ask for a key. */
  readonly needsKeys: boolean;
}

/** `/openapi.json` from the schemas of the routes, and `/docs` to read and try it, from files of this machine only. */
export function docsRoutes(app: OpenAPIHono<AppEnv>, options: DocsDeps): void {
  const document = () =>
    withCommonParts(
      app.getOpenAPI31Document({
        openapi: '3.1.0',
        info: {
          title: 'Geo2 API',
          version: options.version,
          description: DESCRIPTION,
          license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
        },
        servers: [{ url: '/' }],
        tags: [
          { name: 'verbs', description: 'What it does with an image' },
          { name: 'regions', description: 'Where it can do it' },
          { name: 'keys', description: 'Who may ask' },
          { name: 'operation', description: 'Health and metrics' },
        ],
      }),
      { needsKeys: options.needsKeys },
    );
  let rendered: string | undefined;

  app.get('/openapi.json', (c) => {
    rendered ??= JSON.stringify(document());
    return c.body(rendered, 200, { 'content-type': 'application/json', 'cache-control': 'public, max-age=300' });
  });
  app.get('/docs', (c) => c.html(READER));
  app.get('/docs/start.js', (c) => c.body(START, 200, { 'content-type': 'text/javascript; charset=utf-8' }));
  app.get('/docs/problems', (c) => c.html(PROBLEM_LIST));
  app.get(
    '/assets/swagger-ui/:file{swagger-ui(-bundle)?\\.(js|css)}',
    serveStatic({ root: options.swaggerUiDir, rewriteRequestPath: (path) => path.replace('/assets/swagger-ui', '') }),
  );
}

const READER = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Geo2 API reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/swagger-ui/swagger-ui.css">
</head>
<body>
<noscript>This reference needs JavaScript; the same as data is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<div id="reference"></div>
<script src="/assets/swagger-ui/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#reference', deepLinking: true, validatorUrl: null });
`;

const PROBLEM_LIST = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Geo2 API problems</title>
<link rel="icon" href="data:,">
</head>
<body>
<h1>Problems</h1>
<p>The <code>code</code> of an <code>application/problem+json</code> answer, its status, and whether the same request may succeed later.</p>
<table>
<thead><tr><th>Code</th><th>Status</th><th>Title</th><th>Retryable</th></tr></thead>
<tbody>
${Object.entries(PROBLEMS)
  .map(
    ([code, { status, title, retryable }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${title}</td><td>${retryable ? 'yes' : 'no'}</td></tr>`,
  )
  .join('\n')}
</tbody>
</table>
</body>
</html>
`;
