/**
 * Schemathesis against a running service and the OpenAPI document that it serves: all phases, every check. The service is whole,
 * but for a tiny model, which makes views too, and a region of six tiles. `--examples` is the number of requests of each operation in the random phases.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { imageryTile } from '../test/e2e/region-bundle.ts';
import { prepareFiles, startService } from '../test/e2e/service.ts';

const { values } = parseArgs({
  options: {
    examples: { type: 'string', default: '300' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    /** Where a JUnit report goes. */
    junit: { type: 'string' },
  },
});

const root = join(import.meta.dirname, '..');
const service = await startService(
  {
    outboundAllow: ['127.0.0.0/8'], // image URLs lead back to the service's own imagery
    requestTimeoutMs: 60_000, // a loaded machine is slow, and that is not what is looked for
  },
  { files: await prepareFiles({ makesViews: true }) },
);
const { z, x, y } = imageryTile();
const started = Date.now();
try {
  process.exitCode = await schemathesis({
    GEO2_FUZZ_REGION: 'test',
    GEO2_FUZZ_IMAGE_URL: `${service.url}/v1/regions/test/imagery/${z}/${x}/${y}`,
  });
  const faults = service.log.filter(({ level }) => level === 'error' || level === 'fatal');
  for (const fault of faults) process.stdout.write(`${JSON.stringify(fault)}\n`);
  if (faults.length > 0) process.exitCode = 1;
  process.stdout.write(
    `fuzz: seed ${values.seed}, ${((Date.now() - started) / 1000).toFixed(1)} s, ${faults.length} faults in the log\n`,
  );
} finally {
  await service.stop();
}

function schemathesis(env: Record<string, string>): Promise<number> {
  const args = [
    '--config-file',
    join(root, 'test/fuzz/schemathesis.toml'),
    'run',
    `${service.url}/openapi.json`,
    '--max-examples',
    values.examples,
    '--seed',
    values.seed,
    ...(values.junit === undefined ? [] : ['--report', 'junit', '--report-junit-path', values.junit]),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(join(root, '.venv/bin/schemathesis'), args, {
      cwd: root,
      env: {
        ...process.env,
        ...env,
        SCHEMATHESIS_HOOKS: join(root, 'test/fuzz/hooks.py'),
        PYTHONDONTWRITEBYTECODE: '1',
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
