import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { readConfig } from '../../../src/config.ts';
import { createLogger } from '../../../src/logging.ts';
import { startServer } from '../../../src/main.ts';

/** The client's types, made from the service's OpenAPI document. */
export const SCHEMA_FILE = join(import.meta.dirname, '../src/schema.ts');

const HEADER = `/**
 * Generated from the OpenAPI document of the service by \`npm run client:generate\`; not edited by hand.
 */
`;

/** The types of an OpenAPI document, as the text of a module. Rejects, saying how, when the generator is not installed. */
export async function generateTypes(openApi: string): Promise<string> {
  const generator = spawn(process.execPath, [join(import.meta.dirname, 'types.mjs')]);
  generator.stdin.end(openApi);
  const [types, complaint, [code]] = await Promise.all([
    text(generator.stdout),
    text(generator.stderr),
    once(generator, 'close'),
  ]);
  if (code === 0) return HEADER + types;
  throw new Error(`The types were not generated (is the generator installed? make setup-all):\n${complaint}`);
}

/** What the service answers at /openapi.json, served for this one question. */
async function openApiOfService(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'geo2-data-'));
  const config = readConfig({ PORT: '0', GEO2_DATA_DIR: dataDir });
  const server = await startServer(config, { logger: createLogger({ level: 'error', version: 'generate' }) });
  try {
    return await (await fetch(`${server.url}/openapi.json`)).text();
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  await writeFile(SCHEMA_FILE, await generateTypes(await openApiOfService()));
  process.stdout.write(`wrote ${SCHEMA_FILE}\n`);
}
