/**
 * `make webhooks-bench`: how long events of healthy tenants take to their receivers, alone and beside 50 sick ones (that hang, are
 * slow, answer 500, 301 or 410, drop the connection, or answer with 10 MB), and what the delivering process holds in memory.
 * Prints a table and writes bench/results/webhooks.json. On a PostgreSQL server of its own (`--database pglite`: embedded).
 * Receivers are in this process, delivery in a child of its own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { startPostgres } from '../test/postgres.ts';
import { memoryOf } from './memory.ts';
import { type BenchRow, benchTable, percentileRow, single } from './rows.ts';

const { values } = parseArgs({
  options: {
    database: { type: 'string', default: 'postgres' },
    seconds: { type: 'string', default: '10' },
    healthy: { type: 'string', default: '10' },
    sick: { type: 'string', default: '50' },
    rate: { type: 'string', default: '20' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/webhooks.json') },
  },
});
const seconds = Number(values.seconds);
/** Events a second to all healthy tenants together; as many go to the sick ones. */
const rate = Number(values.rate);
const healthy = Array.from({ length: Number(values.healthy) }, (_, index) => `healthy-${index}`);
const sick = Array.from({ length: Number(values.sick) }, (_, index) => `sick-${index}`);

type Behave = (response: ServerResponse) => void;

const SICK: readonly Behave[] = [
  () => {}, // hangs until it is given up
  (response) => void setTimeout(() => response.end(), 10_000),
  (response) => response.writeHead(500).end(),
  (response) => response.writeHead(301, { location: '/elsewhere' }).end(),
  (response) => response.writeHead(410).end(),
  (response) => response.destroy(),
  (response) => response.end(Buffer.alloc(10_000_000)),
];

const EventSchema = z.object({ timestamp: z.iso.datetime() });
const MessageSchema = z.object({ type: z.enum(['ready', 'recorded']), heapMb: z.number().optional() });

/** Milliseconds from an event to its receiver, of healthy tenants. */
let delays: number[] = [];
let sickAttempts = 0;

const receivers = createServer((request, response) => {
  const tenant = request.url?.slice(1) ?? '';
  const chunks: Buffer[] = [];
  request.on('error', () => {});
  response.on('error', () => {});
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (tenant.startsWith('sick-')) {
      sickAttempts++;
      SICK[Number(tenant.slice('sick-'.length)) % SICK.length]?.(response);
      return;
    }
    const event = EventSchema.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
    delays.push(Date.now() - Date.parse(event.timestamp));
    response.end('ok');
  });
});
receivers.listen(0, '127.0.0.1');
await once(receivers, 'listening');
const address = receivers.address();
const port = address === null || typeof address === 'string' ? 0 : address.port;

const dataDir = await mkdtemp(join(tmpdir(), 'geo2-bench-'));
const postgres = values.database === 'postgres' ? await startPostgres() : undefined;
const about = (condition: string) => ({ system: `geo2 on ${values.database}`, split: 'webhooks', condition });
const child = fork(join(import.meta.dirname, 'webhooks-dispatcher.ts'), [], {
  execArgv: ['--expose-gc'],
  env: { ...process.env, BENCH_DATA_DIR: dataDir, BENCH_DATABASE_URL: postgres?.url ?? '', BENCH_PORT: String(port) },
});
try {
  say(`database: ${values.database}`);
  await hear('ready');
  child.send({ type: 'subscribe', tenants: [...healthy, ...sick] });
  await hear('ready');
  const rows: BenchRow[] = [];
  await record(healthy, rate, 2); // the first events pay for what is loaded then
  rows.push(...(await measure('healthy_alone', healthy, rate)));
  const conditions = ['before_sick', `healthy_beside_${sick.length}_sick`, `healthy_beside_${sick.length}_sick_still`];
  const memory: { rssMb: number; heapMb: number }[] = [];
  for (const [index, condition] of conditions.entries()) {
    if (index > 0) rows.push(...(await measure(condition, [...healthy, ...sick], 2 * rate)));
    memory.push(await held());
  }
  for (const [index, condition] of conditions.entries()) {
    rows.push(single(about(condition), 'memory_rss_mb', memory[index]?.rssMb ?? 0));
    rows.push(single(about(condition), 'memory_heap_mb', memory[index]?.heapMb ?? 0));
  }
  rows.push(single(about(conditions.at(-1) ?? ''), 'sick_attempts', sickAttempts));
  process.stdout.write(benchTable(rows));
  await mkdir(dirname(resolve(values.out)), { recursive: true });
  await writeFile(values.out, reportText(rows));
  say(`written: ${values.out}`);
} finally {
  child.kill('SIGKILL');
  receivers.closeAllConnections();
  receivers.close();
  await postgres?.stop();
  await rm(dataDir, { recursive: true, force: true });
}

/** Delays of healthy tenants' events while `perSecond` events go to `tenants` in turn. */
async function measure(condition: string, tenants: readonly string[], perSecond: number): Promise<BenchRow[]> {
  say(`${condition}: ${perSecond} events a second for ${seconds} s`);
  delays = [];
  const sent = await record(tenants, perSecond, seconds);
  const expected = sent.filter((tenant) => tenant.startsWith('healthy-')).length;
  const until = Date.now() + 60_000;
  while (delays.length < expected && Date.now() < until) await sleep(50);
  return [
    percentileRow(about(condition), 'delivery_ms_p50', delays, 0.5),
    percentileRow(about(condition), 'delivery_ms_p95', delays, 0.95),
    single(about(condition), 'delivery_ms_max', Math.max(...delays), delays.length),
    single(about(condition), 'delivered_share', delays.length / expected, expected),
  ];
}

/** At a steady pace, alternating between healthy and sick tenants where there are both; the tenants in the order of their events. */
async function record(tenants: readonly string[], perSecond: number, forSeconds: number): Promise<string[]> {
  const [well, ill] = [tenants.filter((name) => healthy.includes(name)), tenants.filter((name) => sick.includes(name))];
  const count = Math.round(perSecond * forSeconds);
  const sent = Array.from({ length: count }, (_, index) => {
    const from = ill.length > 0 && index % 2 === 1 ? ill : well;
    return from[Math.floor(ill.length > 0 ? index / 2 : index) % from.length] ?? '';
  });
  child.send({ type: 'record', tenants: sent, everyMs: 1000 / perSecond });
  await hear('recorded');
  return sent;
}

/** What the delivering process holds after a collection of garbage: of the system, and in objects. */
async function held(): Promise<{ rssMb: number; heapMb: number }> {
  child.send({ type: 'gc' });
  const { heapMb = 0 } = await hear('ready');
  const memory = await memoryOf(child.pid ?? 0);
  if (memory === undefined) throw new Error('there is no /proc here to read memory from');
  return { rssMb: memory.residentMb, heapMb };
}

async function hear(type: 'ready' | 'recorded'): Promise<z.infer<typeof MessageSchema>> {
  for (;;) {
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => {
        throw new Error('the delivering process ended');
      }),
    ]);
    const heard = MessageSchema.parse(message);
    if (heard.type === type) return heard;
  }
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
