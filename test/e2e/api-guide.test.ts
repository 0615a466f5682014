import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { readModelManifest } from '#core/inference/manifest.ts';
import { readConfig } from '../../src/config.ts';
import { PROBLEMS } from '../../src/handlers/problems.ts';
import {
  blocksOf,
  callsRoute,
  createGuideReader,
  differenceOf,
  type GuideReader,
  readGuide,
  requestsOf,
} from './guide.ts';

/** docs/api.md, followed from its first command to its last as an integrator would, against the service it talks about. */

const GUIDE = 'docs/api.md';
const guide = await readGuide(GUIDE);
const blocks = blocksOf(guide).filter(({ language }) => language !== 'json' && language !== 'text');

/** Chapters that are of use only where the released model makes views. */
const OF_VIEWS: ReadonlySet<string> = new Set(['Synthesize', 'Street previews']);
const makesViews = await releasedMakesViews();

let reader: GuideReader;
beforeAll(async () => {
  reader = await createGuideReader();
});
afterAll(() => reader.stop());

describe(`the examples of ${GUIDE}`, () => {
  test.for(blocks.map((block) => [block.section, block.line, block] as const))(
    'do what the text says: %s, line %i',
    { timeout: 330_000 },
    async ([section, _line, block], { skip }) => {
      if (OF_VIEWS.has(section) && !makesViews) return skip('the released model makes no views');
      expect(await reader.run(block)).toBe('');
    },
  );

  test('call every operation of the OpenAPI document with curl', async () => {
    const [ready] = requestsOf('curl -s http://127.0.0.1:8080/openapi.json');
    expect(ready).toEqual({ method: 'GET', path: '/openapi.json' });
    const printed = { language: 'json', text: '{"openapi":"3.1.0"}' } as const;
    const document = {
      language: 'sh',
      code: 'curl http://127.0.0.1:8080/openapi.json > openapi.json; cat openapi.json',
    };
    expect(await reader.run({ ...document, line: 0, section: '', printed })).toBe('');
    const requests = blocks.filter(({ language }) => language === 'sh').flatMap(({ code }) => requestsOf(code));
    const operations = await operationsOf(`${reader.dir}/openapi.json`);
    expect(operations.length).toBeGreaterThan(5);
    const without = operations.filter(
      ({ method, path }) => !requests.some((sent) => sent.method === method && callsRoute(sent.path, path)),
    );
    expect(without.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });
});

test(`the table of errors in ${GUIDE} is the one that the service answers by`, () => {
  const rows = [...guide.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \| (\d{3}) \| (yes|no|it depends) \|/gm)];
  const told = rows.flatMap(([, codes = '', status, retryable]) =>
    [...codes.matchAll(/`([A-Z_]+)`/g)].map(([, code = '']) => [code, Number(status), retryable]),
  );
  const known = Object.entries(PROBLEMS).map(([code, { status, retryable }]) => {
    const word = code === 'IMAGE_URL_FAILED' ? 'it depends' : retryable ? 'yes' : 'no';
    return [code, status, word];
  });
  const byCode = (a: readonly unknown[], b: readonly unknown[]) => String(a[0]).localeCompare(String(b[0]));
  expect(told.toSorted(byCode)).toEqual(known.toSorted(byCode));
});

const DocumentSchema = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });
const METHODS = new Set(['get', 'post', 'put', 'patch', 'delete']);

async function operationsOf(path: string): Promise<{ method: string; path: string }[]> {
  const { paths } = DocumentSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  return Object.entries(paths).flatMap(([template, item]) =>
    Object.keys(item).flatMap((method) =>
      METHODS.has(method) ? [{ method: method.toUpperCase(), path: template }] : [],
    ),
  );
}

async function releasedMakesViews(): Promise<boolean> {
  const { modelDir } = readConfig({});
  const current: unknown = JSON.parse(await readFile(join(modelDir, 'current.json'), 'utf8'));
  const { version } = z.object({ version: z.string() }).parse(current);
  return (await readModelManifest(join(modelDir, version))).latent !== null;
}

describe('reading a guide', () => {
  const block = { language: 'sh', code: '', line: 1, section: '' };
  const run = (stdout: string, exitCode = 0) => ({ exitCode, stdout, stderr: '' });
  const json = (text: string) => ({ ...block, printed: { language: 'json' as const, text } });

  test('takes the block below as what the one above prints, unless there is text between', () => {
    const markdown = '# One\n```sh\na\n```\n\n```json\n1\n```\n\n```sh\nb\n```\nShape:\n```json\n2\n```\n';
    expect(blocksOf(markdown)).toEqual([
      { language: 'sh', code: 'a', line: 2, section: 'One', printed: { language: 'json', text: '1' } },
      { language: 'sh', code: 'b', line: 10, section: 'One' },
      { language: 'json', code: '2', line: 14, section: 'One' },
    ]);
  });

  test.each([
    ['{"a":1}', '{"a":1,"b":2}'],
    ['{"a":"x…"}', '{"a":"xyz"}'],
    ['[1,"…"]', '[1,2,3]'],
    ['{"a":9.5}', '{"a":9.4847}'],
  ])('finds that %s is told of %s', (written, got) => {
    expect(differenceOf(json(written), run(got))).toBe('');
  });

  test.each([
    ['{"a":1}', '{"a":2}'],
    ['{"a":1}', '{}'],
    ['{"a":"x…"}', '{"a":"yz"}'],
    ['[1]', '[1,2]'],
    ['{"a":9.5}', '{"a":9.61}'],
    ['{"a":null}', '{"a":0}'],
  ])('finds that %s is not told of %s', (written, got) => {
    expect(differenceOf(json(written), run(got))).not.toBe('');
  });

  test('wants a command to succeed, unless a problem is what it shows', () => {
    const problem = '{"code":"NOT_FOUND","status":404}';
    expect(differenceOf(block, run('', 22))).not.toBe('');
    expect(differenceOf(json(problem), run(problem, 22))).toBe('');
    expect(differenceOf(json(problem), run(problem, 0))).not.toBe('');
  });

  test('finds the requests of a shell text', () => {
    const shell = [
      'curl -s http://127.0.0.1:8080/v1/regions',
      'curl -X DELETE "http://127.0.0.1:8080/v1/jobs/$JOB" && curl -s \'http://127.0.0.1:8080/a?b=c\' \\\n  -F image=@x',
    ].join('\n');
    expect(requestsOf(shell)).toEqual([
      { method: 'GET', path: '/v1/regions' },
      { method: 'DELETE', path: '/v1/jobs/$JOB' },
      { method: 'POST', path: '/a' },
    ]);
    expect(callsRoute('/v1/jobs/$JOB', '/v1/jobs/{id}')).toBe(true);
    expect(callsRoute('/v1/jobs/$JOB/events', '/v1/jobs/{id}')).toBe(false);
  });
});
