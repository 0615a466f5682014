/**
 * Runs every check that CI runs, one stage after the other, and ends with `N passed, N failed, N skipped`.
 * A stage that fails does not stop the next: one run shows all that is wrong.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Stage {
  name: string;
  command: string[];
  env?: Record<string, string>;
  /** Reads the counts of a test runner's report; without it the stage counts as one check. */
  report?: { path: string; parse: (text: string) => Counts };
}

const vitestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  numFailedTestSuites: z.number(),
});

function parseVitest(text: string): Counts {
  const report = vitestReport.parse(JSON.parse(text));
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

function parseJunit(text: string): Counts {
  const suite = /<testsuite [^>]*>/.exec(text)?.[0] ?? '';
  const attribute = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = attribute('failures') + attribute('errors');
  const skipped = attribute('skipped');
  return { passed: attribute('tests') - failed - skipped, failed, skipped };
}

function run(stage: Stage): Promise<number> {
  const [program = '', ...args] = stage.command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...stage.env },
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

async function count(stage: Stage, exitCode: number): Promise<Counts> {
  if (!stage.report) return { passed: exitCode === 0 ? 1 : 0, failed: exitCode === 0 ? 0 : 1, skipped: 0 };
  const text = await readFile(stage.report.path, 'utf8').catch(() => undefined);
  const counts = text === undefined ? { passed: 0, failed: 0, skipped: 0 } : stage.report.parse(text);
  // A runner that dies or reports no failing test but exits non-zero has failed all the same.
  return exitCode !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

const reports = await mkdtemp(join(tmpdir(), 'geo2-test-'));
const bin = (name: string) => join('node_modules', '.bin', name);
const python = join('.venv', 'bin', 'python');
const junit = join(reports, 'pytest.xml');
const vitest = join(reports, 'vitest.json');
const fuzz = join(reports, 'schemathesis.xml');
const ruff = ['models', 'test'];

const stages: Stage[] = [
  { name: 'format and lint (TypeScript)', command: [bin('biome'), 'check', '.'] },
  { name: 'types', command: [bin('tsc'), '--noEmit'] },
  { name: 'types of the page', command: [bin('tsc'), '-p', join('src', 'handlers', 'page')] },
  { name: 'lint (Python)', command: [python, '-m', 'ruff', 'check', ...ruff] },
  { name: 'format (Python)', command: [python, '-m', 'ruff', 'format', '--check', ...ruff] },
  {
    name: 'models: world, training, export',
    command: [python, '-m', 'pytest', '-q', 'models/tests', `--junitxml=${junit}`],
    report: { path: junit, parse: parseJunit },
  },
  {
    name: 'service: unit, contract, golden, end-to-end, browser',
    command: [
      bin('node'),
      bin('vitest'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${vitest}`,
    ],
    report: { path: vitest, parse: parseVitest },
  },
  {
    name: 'service against its OpenAPI document: Schemathesis',
    command: [bin('node'), join('scripts', 'fuzz.ts'), '--examples', '10', '--seed', '1', '--junit', fuzz],
    report: { path: fuzz, parse: parseJunit },
  },
];

const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];
for (const stage of stages) {
  process.stdout.write(`\n==> ${stage.name}\n`);
  const startedMs = Date.now();
  const exitCode = await run(stage);
  const counts = await count(stage, exitCode);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  if (counts.failed > 0) failures.push(stage.name);
  process.stdout.write(
    `    ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`,
  );
}
await rm(reports, { recursive: true, force: true });

if (failures.length > 0) process.stdout.write(`\nfailed: ${failures.join('; ')}\n`);
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed > 0 ? 1 : 0;
