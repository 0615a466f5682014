import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isKeyText } from '#core/accounts/key-text.ts';
import { momentOf } from '../../src/cli/keys-create.ts';
import { CreatedKeySchema, KeySchema } from '../../src/handlers/keys.ts';
import {
  answerOf,
  BLUE,
  colourImage,
  postImage,
  prepareFiles,
  type Service,
  type ServiceFiles,
  startService,
} from '../e2e/service.ts';
import { geo2 } from './run.ts';

const NOW = new Date('2026-06-01T12:00:00Z');

let files: ServiceFiles;
let env: Record<string, string>;
beforeAll(async () => {
  files = await prepareFiles();
  env = { GEO2_DATA_DIR: join(files.root, 'data') };
});
afterAll(() => rm(files.root, { recursive: true, force: true }));

async function created(args: readonly string[], options = env) {
  const { code, stdout, stderr } = await geo2(['keys', 'create', '--json', ...args], { env: options });
  expect(code, stderr).toBe(0);
  return CreatedKeySchema.parse(JSON.parse(stdout));
}

test('a key is made, printed once, listed, used against a server, and revoked through it', {
  timeout: 180_000,
}, async () => {
  const text = await geo2(['keys', 'create', '--tenant', 'acme', '--name', 'mobile backend', '--expires', '90d'], {
    env,
  });
  expect(text.code, text.stderr).toBe(0);
  const key = text.stdout.trim();
  expect(isKeyText(key)).toBe(true);
  expect(text.stderr).toMatch(/^key_[a-z2-7]{26}: mobile backend, of acme, may geolocate, .*, until .*not shown again/);
  expect(text.stderr).not.toContain(key);
  const admin = await created(['--tenant', 'local', '--name', 'operator', '--scopes', 'admin']);
  const narrow = await created([
    '--tenant',
    'other',
    '--name',
    'x',
    '--scopes',
    'geolocate,jobs',
    '--regions',
    'a,b',
    '--rate',
    '5/60',
    '--concurrency',
    '2',
  ]);
  expect(narrow).toMatchObject({
    scopes: ['geolocate', 'jobs'],
    regions: ['a', 'b'],
    rate: { requests: 5, windowS: 60 },
    maxConcurrent: 2,
  });
  const listed = await geo2(['keys', 'list'], { env });
  expect(listed.stdout).toMatch(
    new RegExp(`${narrow.id} +geo2_\\w{4}… +other +x +usable +geolocate,jobs +a,b +5/60 +never +never`),
  );
  expect(listed.stdout).not.toContain(narrow.key);

  const service = await startService({ withoutKey: 'required', dataDir: env.GEO2_DATA_DIR ?? '' }, { files });
  try {
    const image = await colourImage(BLUE);
    expect((await postImage(service, image)).status).toBe(401);
    await answerOf(await postImage(service, image, '', { authorization: `Bearer ${key}` }));
    await throughServer(service, { admin: admin.key, key, image });
  } finally {
    await service.stop();
  }
});

async function throughServer(
  service: Service,
  { admin, key, image }: { admin: string; key: string; image: Uint8Array<ArrayBuffer> },
): Promise<void> {
  const held = await geo2(['keys', 'list'], { env });
  expect(held.code).toBe(1);
  expect(held.stderr).toMatch(/in use by process \d+ .*running server has it open: ask that one, with --url/);

  const remote = { GEO2_URL: service.url, GEO2_API_KEY: admin };
  const listed = await geo2(['keys', 'list', '--tenant', 'acme', '--json'], { env: remote });
  expect(listed.code, listed.stderr).toBe(0);
  const [acme] = KeySchema.array().parse(JSON.parse(listed.stdout));
  expect(acme).toMatchObject({ tenant: 'acme', name: 'mobile backend', lastUsedAt: expect.any(String) });
  const revoked = await geo2(['keys', 'revoke', acme?.id ?? ''], { env: remote });
  expect(revoked.stdout).toMatch(/\(mobile backend, of acme\) is revoked since/);
  expect((await postImage(service, image, '', { 'x-api-key': key })).status).toBe(401);
  expect((await created(['--tenant', 'acme', '--name', 'next'], remote)).key).not.toBe(key);

  const refused = await geo2(['keys', 'list', '--url', service.url, '--json'], { env: { GEO2_API_KEY: key } });
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'KEY_REVOKED' } });
  const unknown = await geo2(['keys', 'revoke', `key_${'a'.repeat(26)}`], { env: remote });
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('There is no such key')]);
}

describe('a command line that is wrong', () => {
  test.each([
    [['create', '--name', 'x'], /--tenant is needed, for example --tenant acme/],
    [['create', '--tenant', 'acme'], /--name is needed/],
    [['create', '--tenant', 'Acme!', '--name', 'x'], /--tenant must be 1 to 63 lower-case/],
    [['create', '--tenant', 'acme', '--name', 'two\nlines'], /--name must be one line/],
    [['create', '--tenant', 'acme', '--name', 'x', '--scopes', 'fly'], /--scopes must be one of geolocate, /],
    [['create', '--tenant', 'acme', '--name', 'x', '--scopes', ''], /--scopes must name a scope/],
    [['create', '--tenant', 'acme', '--name', 'x', '--expires', 'soon'], /--expires must be such as 90d/],
    [['create', '--tenant', 'acme', '--name', 'x', '--expires', '2020-01-01'], /has passed already/],
    [['create', '--tenant', 'acme', '--name', 'x', '--rate', '5'], /--rate must be REQUESTS\/SECONDS/],
    [['create', '--tenant', 'acme', '--name', 'x', '--regions', 'No Region'], /--regions is no region id/],
    [['create', '--tenant', 'acme', '--name', 'x', '--concurrency', '0'], /--concurrency is from 1/],
    [['create', 'acme'], /takes no "acme"/],
    [['revoke'], /Write: geo2 keys revoke ID/],
    [['revoke', 'mobile'], /no key’s id/],
    [['list', '--tenant', ''], /--tenant must be/],
    [['rotate'], /has no "rotate": keys create, keys list, keys revoke/],
  ])('keys %j is told, with exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await geo2(['keys', ...args], { env });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});

test.each([
  ['90d', '2026-08-30T12:00:00.000Z'],
  ['12h', '2026-06-02T00:00:00.000Z'],
  ['2027-01-31', '2027-01-31T00:00:00.000Z'],
  ['2027-01-31T12:00:00+02:00', '2027-01-31T10:00:00.000Z'],
])('--expires %s is %s', (text, expected) => {
  expect(momentOf(text, NOW).toISOString()).toBe(expected);
});

test.each(['0d', '-1d', '90', '2027-02-30', '2026-06-01T12:00:00Z', ''])('--expires %j is refused', (text) => {
  expect(() => momentOf(text, NOW)).toThrow(/--expires/);
});
