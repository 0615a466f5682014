import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { generateTypes, SCHEMA_FILE } from '../../clients/typescript/generator/generate.ts';
import { startService } from '../e2e/service.ts';

test('the client’s types are those of the service’s OpenAPI document; if not: npm run client:generate', {
  timeout: 180_000,
}, async () => {
  const service = await startService();
  try {
    const openApi = await (await fetch(`${service.url}/openapi.json`)).text();
    expect(await readFile(SCHEMA_FILE, 'utf8')).toBe(await generateTypes(openApi));
  } finally {
    await service.stop();
  }
});
