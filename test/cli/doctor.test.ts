import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { prepareFiles, type ServiceFiles } from '../e2e/service.ts';
import { startPostgres } from '../postgres.ts';
import { geo2 } from './run.ts';

const FindingSchema = z.object({
  check: z.string(),
  status: z.enum(['ok', 'warn', 'fail']),
  detail: z.string(),
  advice: z.string().optional(),
});
const ReportSchema = z.object({ ok: z.boolean(), checks: z.array(FindingSchema) });

async function installed(
  options: { makesViews?: boolean } = {},
): Promise<{ files: ServiceFiles; env: Record<string, string> }> {
  const files = await prepareFiles({ regions: ['good', 'other'], ...options });
  onTestFinished(() => rm(files.root, { recursive: true, force: true }));
  const env = {
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_DATA_DIR: join(files.root, 'data'),
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: 'exact',
  };
  return { files, env };
}

async function examine(env: Record<string, string>) {
  const { code, stdout } = await geo2(['doctor', '--json'], { env });
  const { ok, checks } = ReportSchema.parse(JSON.parse(stdout));
  expect(ok).toBe(code === 0);
  expect(checks.filter(({ status, advice }) => status !== 'ok' && advice === undefined)).toEqual([]);
  return { code, checks, of: (check: string) => checks.find((finding) => finding.check === check) };
}

/** Every path below a folder with its size and when it was changed. */
async function stateOf(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true });
  return Promise.all(
    names.sort().map(async (name) => {
      const { size, mtimeMs, ctimeMs } = await stat(join(root, name));
      return `${name} ${size} ${mtimeMs} ${ctimeMs}`;
    }),
  );
}

describe('geo2 doctor', { timeout: 120_000 }, () => {
  test('finds a sound installation sound, in lines, and changes nothing', async () => {
    const { files, env } = await installed();
    const before = await stateOf(files.root);
    const { code, stdout } = await geo2(['doctor'], { env });
    expect(stdout.split('\n').filter((line) => !/^(ok {4}|\d+ ok, )/.test(line))).toEqual(['']);
    for (const check of ['node', 'settings', 'database', 'disk', 'store', 'index', 'device', 'model', 'region good']) {
      expect(stdout).toMatch(new RegExp(`^ok {4}${check} `, 'm'));
    }
    expect(stdout).toMatch(/tiny 0\.0\.1: \d+ files verified, golden samples met/);
    expect(code).toBe(0);
    expect(await stateOf(files.root)).toEqual(before);
  });

  test('tells every wrong setting, each with its name', async () => {
    const { code, checks } = await examine({ PORT: 'x', GEO2_THREADS: '0', GEO2_TREADS: '1' });
    expect(code).toBe(1);
    const details = checks.filter(({ status }) => status === 'fail').map(({ detail }) => detail);
    expect(details.map((detail) => detail.split('=')[0])).toEqual(['GEO2_TREADS', 'GEO2_THREADS', 'PORT']);
  });

  test('computes the golden samples of synthesis where the model makes views, and says where it makes none', async () => {
    const views = await installed({ makesViews: true });
    expect((await examine(views.env)).of('synthesis')).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/heun, 10 steps/),
    });
    const { env } = await installed();
    expect((await examine(env)).of('synthesis')).toMatchObject({ status: 'ok', detail: expect.stringMatching(/501/) });
  });

  test('names a damaged file of the model, and judges the rest all the same', async () => {
    const { files, env } = await installed();
    const path = join(files.modelVersionDir, 'golden/ground.embedding.bin');
    const bytes = await readFile(path);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const { code, of } = await examine(env);
    expect(code).toBe(1);
    expect(of('model')).toMatchObject({
      status: 'fail',
      detail: expect.stringMatching(/golden\/ground\.embedding\.bin/),
    });
    expect(of('region good')).toMatchObject({ status: 'ok' });
    expect(of('outbound')).toMatchObject({ status: 'ok' });
  });

  test('names a region that cannot be loaded, and not the one that can', async () => {
    const { files, env } = await installed();
    await writeFile(join(files.regionDirs.other ?? '', 'index.faiss'), 'not an index');
    const { code, of } = await examine(env);
    expect(code).toBe(1);
    expect(of('region other')).toMatchObject({ status: 'fail', detail: expect.stringMatching(/index\.faiss/) });
    expect(of('region good')).toMatchObject({ status: 'ok' });
  });

  test('says what is missing where nothing is', async () => {
    const { files, env } = await installed();
    const { code, of } = await examine({
      ...env,
      GEO2_STORE: pathToFileURL(join(files.root, 'nothing')).href,
      GEO2_MODEL_DIR: join(files.root, 'nothing'),
      GEO2_DATABASE_URL: 'postgres://geo2:a-password@127.0.0.1:1/geo2',
    });
    expect(code).toBe(1);
    expect(of('store')).toMatchObject({ status: 'fail', advice: expect.stringMatching(/GEO2_STORE/) });
    expect(of('model')).toMatchObject({ status: 'fail', detail: expect.stringMatching(/GEO2_MODEL_DIR/) });
    const database = of('database');
    expect(database).toMatchObject({ status: 'fail', advice: expect.stringMatching(/GEO2_DATABASE_URL/) });
    expect(JSON.stringify(database)).not.toMatch(/a-password/);
  });

  test('warns of what strangers could reach, and of a service that anybody may use', async () => {
    const { env } = await installed();
    const open = { ...env, GEO2_OUTBOUND_ALLOW: '169.254.0.0/16', HOST: '0.0.0.0', GEO2_REQUIRE_KEY: 'false' };
    const { code, of } = await examine(open);
    expect(code).toBe(0); // it serves
    expect(of('outbound')).toMatchObject({ status: 'warn', advice: expect.stringMatching(/169\.254\.169\.254/) });
    expect(of('keys')).toMatchObject({ status: 'warn' });
    expect((await examine({ ...env, GEO2_OUTBOUND_ALLOW: '10.1.0.0/16' })).of('outbound')).toMatchObject({
      status: 'ok',
    });
  });

  test('looks at a PostgreSQL server without making anything there', async () => {
    const { env } = await installed();
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    const { of } = await examine({ ...env, GEO2_DATABASE_URL: postgres.url });
    expect(of('database')).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/version \d+.*first start makes its schema/),
    });
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    const { rows } = await client.query("select from information_schema.schemata where schema_name = 'geo2'");
    await client.end();
    expect(rows).toEqual([]);
  });

  test('takes no arguments', async () => {
    expect(await geo2(['doctor', 'model'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/takes no "model"/),
    });
  });
});
