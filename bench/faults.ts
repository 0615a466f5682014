/**
 * `make faults`: SIGKILLs api, worker, inference process and PostgreSQL at random moments while jobs with webhooks run, and
 * counts what became of every job. Exit code 1 when a promise is broken. Prints counts, writes bench/results/faults.json.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { runFaults } from './faults/run.ts';
import { type BenchRow, benchTable, percentileRow, single } from './rows.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    /** In all. */
    jobs: { type: 'string', default: '500' },
    seed: { type: 'string', default: '2026' },
    /** No round begins after so long; the counts tell how many there were. */
    'max-minutes': { type: 'string', default: '120' },
    'active-seconds': { type: 'string', default: '8' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/faults.json') },
  },
});
const rounds = Number(values.rounds);

const counts = await runFaults({
  rounds,
  jobsPerRound: Math.ceil(Number(values.jobs) / rounds),
  seed: Number(values.seed),
  activeMs: Number(values['active-seconds']) * 1000,
  maxMs: Number(values['max-minutes']) * 60_000,
  say: (line) => process.stderr.write(`faults: ${line}\n`),
});

const about = { system: 'tiny', split: 'loopback', condition: 'faults' };
const rows: BenchRow[] = [
  single(about, 'rounds', counts.rounds),
  single(about, 'jobs_accepted', counts.accepted),
  single(about, 'jobs_stored', counts.stored),
  ...Object.entries(counts.ended).map(([status, count]) => single(about, `jobs_${status}`, count, counts.stored)),
  ...Object.entries(counts.kills).map(([victim, count]) => single(about, `kills_${victim}`, count)),
  single(about, 'deliveries', counts.deliveries),
  percentileRow(about, 'settled_ms_p50', counts.settledMs, 0.5),
  percentileRow(about, 'settled_ms_max', counts.settledMs, 1),
  ...Object.entries(counts.broken).map(([promise, count]) =>
    single(about, `broken_${snake(promise)}`, count, counts.stored),
  ),
];
process.stdout.write(benchTable(rows));
await writeFile(values.out, reportText(rows));

const broken = Object.values(counts.broken).reduce((sum, count) => sum + count, 0);
process.stdout.write(`\n${counts.stored} jobs in ${counts.rounds} rounds, ${broken} promises broken\n`);
process.exitCode = broken === 0 ? 0 : 1;

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
