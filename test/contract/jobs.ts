import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Database } from '#core/database/database.ts';
import { Geo2Error } from '#core/errors.ts';
import { newId } from '#core/ids.ts';
import {
  createJobService,
  type JobService,
  type JobServiceOptions,
  type JobWorkerOptions,
} from '#core/jobs/job-service.ts';
import type { Job, JobEvent, Jobs, NewJobItem } from '#core/jobs/jobs.ts';
import type { RunItem } from '#core/jobs/worker.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { recordTold } from './jobs-told.ts';

export interface JobsUnderTest {
  /** The data is empty at first; the test opens it once, or hands `where` to another process. */
  readonly open: () => Database;
  /** Arguments of `jobs-process.ts` that open the same data. */
  readonly where: readonly [kind: 'pglite' | 'postgres', place: string];
}

const SLOW = { timeout: 120_000 };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** What jobs promise on every database; `create` gives new, empty data each time, and removes it by itself. */
export function jobsContract(create: () => Promise<JobsUnderTest>): void {
  describe('jobs', SLOW, () => {
    let database: Database;
    let storeDir: string;
    beforeAll(async () => {
      database = (await create()).open();
      await database.start();
      storeDir = await mkdtemp(join(tmpdir(), 'geo2-jobs-'));
    }, 240_000);
    afterAll(async () => {
      await database.stop();
      await rm(storeDir, { recursive: true, force: true });
    });

    beforeEach(async () => {
      await database.query('truncate geo2.jobs, geo2.job_items, geo2.job_stagings, geo2.told');
      const [queue] = await database.query("select to_regclass('pgboss.job')::text as found");
      if (queue?.found !== null) await database.query('delete from pgboss.job');
    });

    interface Serving extends JobService {
      readonly clock: { aheadMs: number };
    }

    /** A service on the shared database that is stopped when its test is. */
    async function serve(
      runItem: RunItem | undefined,
      overrides: Omit<Partial<JobServiceOptions>, 'worker'> & { worker?: Partial<JobWorkerOptions> } = {},
    ): Promise<Serving> {
      const clock = { aheadMs: 0 };
      const worker =
        runItem === undefined
          ? undefined
          : { runItem, maxJobs: 4, maxItems: 2, maxImageBytes: 1_000_000, sweepMs: 100, ...overrides.worker };
      const service = createJobService({
        database,
        store: createFsObjectStore({ url: pathToFileURL(storeDir).href }),
        recordEvent: recordTold,
        newId,
        now: () => new Date(Date.now() + clock.aheadMs),
        onError: () => {},
        ttlMs: 3_600_000,
        retentionMs: 3_600_000,
        stagingMs: 600_000,
        maxUnfinished: 1_000,
        ...overrides,
        worker,
      });
      onTestFinished(() => service.stop(0));
      await service.start();
      return { ...service, clock };
    }

    async function submit(jobs: Jobs, images: readonly string[], tenant = 'ada'): Promise<Job> {
      const staged = await jobs.stage(tenant);
      const items: NewJobItem[] = [];
      for (const name of images) items.push({ name, input: await staged.put(text(name)), options: { topK: 1 } });
      return jobs.submit({ tenant, kind: 'geolocate', form: 'batch', items, staged });
    }

    const ended = async (jobs: Jobs, { id, tenant }: Job): Promise<Job> => {
      const job = await jobs.wait(tenant, id, { ms: 60_000 });
      if (job === undefined) throw new Error('the job is not there');
      return job;
    };
    const told = async ({ id }: Job) =>
      (await database.query('select status from geo2.told where job_id = $1', [id])).map(({ status }) => status);
    const filesOf = async ({ id }: Job): Promise<string[]> => {
      const entries = await readdir(join(storeDir, 'jobs', id), { recursive: true, withFileTypes: true }).catch(
        () => [],
      );
      return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    };
    const eventsOf = async (jobs: Jobs, job: Job, afterSeq = 0): Promise<JobEvent[]> => {
      const events: JobEvent[] = [];
      const following = await jobs.events(job.tenant, job.id, { afterSeq, signal: AbortSignal.timeout(60_000) });
      for await (const event of following ?? []) events.push(event);
      return events;
    };

    /** Answers with the image's text; `fail:CODE` fails so. */
    const echo: RunItem = async ({ image, options, kind }) => {
      const said =
        image.type === 'bytes' ? new TextDecoder().decode(image.bytes) : image.type === 'url' ? image.url : '';
      if (said === 'fail:unknown') throw new TypeError('not the caller’s business');
      if (said.startsWith('fail:')) throw new Geo2Error('IMAGE_UNSUPPORTED', 'This is no picture.');
      return { said, options, kind };
    };

    /** Runs until it is told to go on; counts what runs and what was told to stop. */
    function held() {
      const gates: { open: () => void }[] = [];
      const counts = { begun: 0, aborted: 0 };
      const runItem: RunItem = async (item) => {
        counts.begun += 1;
        await new Promise<void>((resolve, reject) => {
          gates.push({ open: resolve });
          item.signal.addEventListener('abort', () => {
            counts.aborted += 1;
            reject(new Geo2Error('CANCELED', 'stopped'));
          });
        });
        return echo(item);
      };
      return { runItem, counts, open: () => void gates.splice(0).map((gate) => gate.open()) };
    }

    test('go from queued to succeeded, with a result for each item and nothing left of the images', async () => {
      const gate = held();
      const { jobs } = await serve(gate.runItem);
      const job = await submit(jobs, ['a', 'b', 'c']);
      expect(job).toMatchObject({ status: 'queued', progress: { completed: 0, failed: 0, total: 3 }, form: 'batch' });
      expect(job.id).toMatch(/^job_[a-z2-7]{26}$/);
      await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBe(2);
      expect(await jobs.get('ada', job.id)).toMatchObject({ status: 'processing', startedAt: expect.any(Date) });
      gate.open();
      await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBe(3);
      gate.open();
      const done = await ended(jobs, job);
      expect(done).toMatchObject({ status: 'succeeded', progress: { completed: 3, failed: 0 }, error: undefined });
      expect(done.finishedAt).toBeInstanceOf(Date);
      const page = await jobs.items('ada', job.id, { from: 0, limit: 100 });
      expect(page?.next).toBeUndefined();
      expect(page?.items.map(({ index, name, status, result }) => [index, name, status, result?.said])).toEqual([
        [0, 'a', 'succeeded', 'a'],
        [1, 'b', 'succeeded', 'b'],
        [2, 'c', 'succeeded', 'c'],
      ]);
      expect(page?.items[0]?.result).toEqual({ said: 'a', options: { topK: 1 }, kind: 'geolocate' });
      expect(await told(job)).toEqual(['succeeded']);
      await expect.poll(() => filesOf(job), { timeout: 30_000 }).toHaveLength(3);
      expect((await filesOf(job)).every((file) => file.includes('results'))).toBe(true);
    });

    test('tell of items that fail, each in its own words, and succeed where one item does', async () => {
      const { jobs } = await serve(echo);
      const done = await ended(jobs, await submit(jobs, ['fail:image', 'good', 'fail:unknown']));
      expect(done).toMatchObject({ status: 'succeeded', progress: { completed: 1, failed: 2, total: 3 } });
      const page = await jobs.items('ada', done.id, { from: 0, limit: 100 });
      expect(page?.items.map(({ status, error, result }) => [status, error, result === undefined])).toEqual([
        ['failed', { code: 'IMAGE_UNSUPPORTED', message: 'This is no picture.' }, true],
        ['succeeded', undefined, false],
        ['failed', { code: 'INTERNAL', message: 'The service failed.' }, true],
      ]);
    });

    test('fail where every item fails, and say why', async () => {
      const { jobs } = await serve(echo);
      const many = await ended(jobs, await submit(jobs, ['fail:1', 'fail:2']));
      expect(many).toMatchObject({ status: 'failed', error: { code: 'IMAGE_UNSUPPORTED' } });
      expect(many.error?.message).toBe('None of the 2 images has a result; the first: This is no picture.');
      const one = await ended(jobs, await submit(jobs, ['fail:1']));
      expect(one.error).toEqual({ code: 'IMAGE_UNSUPPORTED', message: 'This is no picture.' });
      expect(await told(one)).toEqual(['failed']);
    });

    test('try again what may pass: a busy service, and an inference process that ended', async () => {
      let tries = 0;
      const { jobs } = await serve(async (item) => {
        tries += 1;
        if (tries === 1) throw new Geo2Error('OVERLOADED', 'busy');
        if (tries === 2) throw new Geo2Error('INFERENCE_CRASHED', 'gone');
        return echo(item);
      });
      expect(await ended(jobs, await submit(jobs, ['a']))).toMatchObject({ status: 'succeeded' });
      expect(tries).toBe(3);
    });

    test('give up an image that ends the inference process again and again', async () => {
      let tries = 0;
      const { jobs } = await serve(async () => {
        tries += 1;
        throw new Geo2Error('INFERENCE_CRASHED', 'gone');
      });
      expect(await ended(jobs, await submit(jobs, ['a']))).toMatchObject({
        status: 'failed',
        error: { code: 'INFERENCE_CRASHED' },
      });
      expect(tries).toBe(5);
    });

    test('take URLs without anything stored', async () => {
      const { jobs } = await serve(echo);
      const job = await jobs.submit({
        tenant: 'ada',
        kind: 'embed',
        form: 'single',
        items: [{ input: { type: 'url', url: 'https://example.org/a.jpg' }, options: {} }],
      });
      await ended(jobs, job);
      const page = await jobs.items('ada', job.id, { from: 0, limit: 1 });
      expect(page?.items).toMatchObject([
        { name: undefined, result: { said: 'https://example.org/a.jpg', kind: 'embed' } },
      ]);
    });

    test('refuse no item, too many, an object of another job, and more jobs than there is room for', async () => {
      const { jobs } = await serve(undefined, { maxUnfinished: 0 });
      const item: NewJobItem = { input: { type: 'url', url: 'https://example.org/' }, options: {} };
      const about = { tenant: 'ada', kind: 'embed', form: 'batch' } as const;
      await expect(jobs.submit({ ...about, items: [] })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      const many = Array.from({ length: 1_001 }, () => item);
      await expect(jobs.submit({ ...about, items: many })).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE' });
      const foreign: NewJobItem = { ...item, input: { type: 'object', key: 'jobs/job_x/inputs/0' } };
      await expect(jobs.submit({ ...about, items: [foreign] })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      await expect(jobs.submit({ ...about, items: [item] })).rejects.toMatchObject({ code: 'OVERLOADED' });
    });

    test('are canceled within a second in the middle of an item, and stay so', async () => {
      const gate = held();
      const { jobs } = await serve(gate.runItem);
      const job = await submit(jobs, ['a', 'b', 'c']);
      await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBe(2);
      const askedAtMs = performance.now();
      expect(await jobs.cancel('ada', job.id)).toMatchObject({ status: 'canceled' });
      await expect.poll(() => gate.counts.aborted, { timeout: 10_000, interval: 5 }).toBe(2);
      expect(performance.now() - askedAtMs).toBeLessThan(1_000);
      gate.open();
      expect(await jobs.cancel('ada', job.id)).toMatchObject({ status: 'canceled' });
      const page = await jobs.items('ada', job.id, { from: 0, limit: 100 });
      expect(page?.items.map(({ status }) => status)).toEqual(['canceled', 'canceled', 'canceled']);
      expect(await told(job)).toEqual(['canceled']);
      await expect.poll(() => filesOf(job), { timeout: 30_000 }).toEqual([]);
      expect((await eventsOf(jobs, job)).map(({ type }) => type)).toEqual(['start', 'completed']);
    });

    test('that are done are not canceled, and jobs that nobody began are', async () => {
      const { jobs, stop } = await serve(echo);
      const done = await ended(jobs, await submit(jobs, ['a']));
      expect(await jobs.cancel('ada', done.id)).toMatchObject({ status: 'succeeded' });
      await stop(0);
      const idle = await serve(undefined);
      const other = await submit(idle.jobs, ['b'], 'bob');
      expect(await idle.jobs.cancel('bob', other.id)).toMatchObject({ status: 'canceled', startedAt: undefined });
      expect((await eventsOf(idle.jobs, other)).map(({ type }) => type)).toEqual(['completed']);
    });

    test('end once, however many end them at the same time', async () => {
      const { jobs } = await serve(echo);
      const submitted = await Promise.all(Array.from({ length: 12 }, (_, i) => submit(jobs, [`${i}`])));
      await Promise.all(submitted.flatMap((job) => [jobs.cancel('ada', job.id), jobs.cancel('ada', job.id)]));
      for (const job of submitted) {
        const { status } = await ended(jobs, job);
        expect(await told(job)).toEqual([status]);
      }
    });

    test('are unknown to other tenants, like jobs that never were', async () => {
      const { jobs } = await serve(undefined);
      const job = await submit(jobs, ['a']);
      const signal = AbortSignal.timeout(10_000);
      for (const [tenant, id] of [
        ['eve', job.id],
        ['ada', newId('job')],
        ['ada', "' or true --"],
      ] as const) {
        expect(await jobs.get(tenant, id)).toBeUndefined();
        expect(await jobs.items(tenant, id, { from: 0, limit: 1 })).toBeUndefined();
        expect(await jobs.cancel(tenant, id)).toBeUndefined();
        expect(await jobs.events(tenant, id, { afterSeq: 0, signal })).toBeUndefined();
        expect(await jobs.wait(tenant, id, { ms: 5_000 })).toBeUndefined();
      }
      expect((await jobs.list('eve', { limit: 100 })).jobs).toEqual([]);
      const foreign = await jobs.stage('ada');
      const input = await foreign.put(text('x'));
      const stolen = jobs.submit({
        tenant: 'eve',
        kind: 'embed',
        form: 'single',
        items: [{ input, options: {} }],
        staged: foreign,
      });
      await expect(stolen).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      await foreign.discard();
      expect(await jobs.get('ada', job.id)).toMatchObject({ status: 'queued' });
    });

    test('are listed newest first, a page at a time', async () => {
      const { jobs } = await serve(undefined);
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) ids.unshift((await submit(jobs, ['a'], 'lister')).id);
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await jobs.list('lister', { limit: 2, cursor });
        found.push(...page.jobs.map(({ id }) => id));
        cursor = page.next;
      } while (cursor !== undefined);
      expect([...found].sort()).toEqual([...ids].sort());
      const times = (await jobs.list('lister', { limit: 5 })).jobs.map(({ createdAt }) => createdAt.getTime());
      expect(times).toEqual([...times].sort((a, b) => b - a));
      for (const wrong of ['x', '', Buffer.from('2026 job_x').toString('base64url')]) {
        await expect(jobs.list('lister', { limit: 2, cursor: wrong })).rejects.toMatchObject({
          code: 'INVALID_REQUEST',
        });
      }
    });

    test('give their items a page at a time', async () => {
      const { jobs } = await serve(undefined);
      const job = await submit(jobs, ['a', 'b', 'c']);
      const first = await jobs.items('ada', job.id, { from: 0, limit: 2 });
      expect(first).toMatchObject({ items: [{ index: 0 }, { index: 1 }], next: 2 });
      const second = await jobs.items('ada', job.id, { from: 2, limit: 2 });
      expect(second).toMatchObject({ items: [{ index: 2, status: 'pending' }], next: undefined });
      expect(await jobs.items('ada', job.id, { from: 7, limit: 2 })).toEqual({ items: [], next: undefined });
    });

    test('tell their events as they happen, and the same from any point again', async () => {
      const gate = held();
      const { jobs } = await serve(gate.runItem, { worker: { maxItems: 1 } });
      const job = await submit(jobs, ['a', 'fail:b']);
      const live: JobEvent[] = [];
      const following = (async () => {
        const events = await jobs.events('ada', job.id, { afterSeq: 0, signal: AbortSignal.timeout(60_000) });
        for await (const event of events ?? []) live.push(event);
      })();
      await expect.poll(() => live.map(({ type }) => type), { timeout: 30_000 }).toEqual(['start']);
      await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBe(1);
      gate.open();
      await expect
        .poll(() => live.map(({ type }) => type), { timeout: 30_000 })
        .toEqual(['start', 'output', 'progress']);
      await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBe(2);
      gate.open();
      await following;
      expect(live.map(({ seq, type }) => [seq, type])).toEqual([
        [1, 'start'],
        [2, 'output'],
        [3, 'progress'],
        [4, 'output'],
        [5, 'progress'],
        [6, 'completed'],
      ]);
      expect(live[1]?.data).toMatchObject({
        id: job.id,
        index: 0,
        name: 'a',
        status: 'succeeded',
        result: { said: 'a' },
      });
      expect(live[3]?.data).toMatchObject({ index: 1, status: 'failed', error: { code: 'IMAGE_UNSUPPORTED' } });
      expect(live[4]?.data).toEqual({ id: job.id, step: 2, of: 2, failed: 1 });
      expect(live[5]?.data).toMatchObject({ status: 'succeeded', progress: { completed: 1, failed: 1, total: 2 } });
      for (let after = 0; after <= 7; after++) expect(await eventsOf(jobs, job, after)).toEqual(live.slice(after));
    });

    test('tell all events of a job of many items, in order', async () => {
      const { jobs } = await serve(echo, { worker: { maxItems: 8 } });
      const items = Array.from({ length: 120 }, (_, i) => ({
        input: { type: 'url', url: `https://example.org/${i}` } as const,
        options: {},
      }));
      const job = await jobs.submit({ tenant: 'ada', kind: 'embed', form: 'batch', items });
      const events = await eventsOf(jobs, job);
      expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 242 }, (_, i) => i + 1));
      expect(new Set(events.filter(({ type }) => type === 'output').map(({ data }) => data.index)).size).toBe(120);
    });

    test('stop telling when the listener goes, and stop waiting when the time is over', async () => {
      const { jobs } = await serve(undefined);
      const job = await submit(jobs, ['a']);
      const leaving = new AbortController();
      const events = await jobs.events('ada', job.id, { afterSeq: 0, signal: leaving.signal });
      setTimeout(() => leaving.abort(), 50);
      for await (const event of events ?? []) throw new Error(`there is no ${event.type} yet`);
      expect(await jobs.wait('ada', job.id, { ms: 50 })).toMatchObject({ status: 'queued' });
      const aborted = new AbortController();
      setTimeout(() => aborted.abort(), 50);
      expect(await jobs.wait('ada', job.id, { ms: 60_000, signal: aborted.signal })).toMatchObject({
        status: 'queued',
      });
    });

    test('expire, waiting or running, when their time is over', async () => {
      const gate = held();
      const { jobs, clock, sweeper } = await serve(gate.runItem, { ttlMs: 60_000, worker: { maxJobs: 1 } });
      const running = await submit(jobs, ['a'], 'late');
      await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBeGreaterThan(0);
      const waiting = await submit(jobs, ['b'], 'late');
      clock.aheadMs = 61_000;
      await sweeper?.sweep();
      await sweeper?.sweep();
      for (const job of [running, waiting]) {
        expect(await ended(jobs, job)).toMatchObject({ status: 'expired', error: { code: 'JOB_EXPIRED' } });
        expect(await told(job)).toEqual(['expired']);
        expect(await filesOf(job)).toEqual([]);
      }
      await expect.poll(() => gate.counts.aborted, { timeout: 10_000 }).toBeGreaterThan(0);
    });

    test('go, with their results, when they have been kept long enough', async () => {
      const { jobs, clock, sweeper } = await serve(echo, { retentionMs: 60_000 });
      const job = await ended(jobs, await submit(jobs, ['a']));
      await sweeper?.sweep();
      expect(await filesOf(job)).toHaveLength(1);
      clock.aheadMs = 61_000;
      await sweeper?.sweep();
      await sweeper?.sweep();
      expect(await jobs.get('ada', job.id)).toBeUndefined();
      expect(await filesOf(job)).toEqual([]);
    });

    test('leave no image of a request that ended half-way, and take none that was swept away', async () => {
      const { jobs, clock, sweeper } = await serve(echo, { stagingMs: 60_000 });
      const staged = await jobs.stage('ada');
      const input = await staged.put(text('a'));
      await sweeper?.sweep();
      expect(await filesOf({ ...(await ended(jobs, await submit(jobs, ['x']))), id: staged.jobId })).toHaveLength(1);
      clock.aheadMs = 61_000;
      await sweeper?.sweep();
      await sweeper?.sweep();
      const late = jobs.submit({
        tenant: 'ada',
        kind: 'embed',
        form: 'single',
        items: [{ input, options: {} }],
        staged,
      });
      await expect(late).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      expect(await readdir(join(storeDir, 'jobs'))).not.toContain(staged.jobId);
      const discarded = await jobs.stage('ada');
      await discarded.put(text('b'));
      await discarded.discard();
      expect(await readdir(join(storeDir, 'jobs'))).not.toContain(discarded.jobId);
    });

    test('leave no image when a crash came between their end and its removal', async () => {
      const { jobs, sweeper } = await serve(echo);
      const job = await ended(jobs, await submit(jobs, ['a']));
      const inputsOf = async () => (await filesOf(job)).filter((file) => file.includes('inputs'));
      await expect.poll(inputsOf, { timeout: 30_000 }).toEqual([]);
      const store = createFsObjectStore({ url: pathToFileURL(storeDir).href });
      await store.put(`jobs/${job.id}/inputs/0`, text('left'));
      await database.query('update geo2.jobs set inputs_left = true where id = $1', [job.id]);
      await sweeper?.sweep();
      await sweeper?.sweep();
      expect(await inputsOf()).toEqual([]);
    });

    test('go to the next worker when theirs is silent; what the old one then says is not heard', async () => {
      // it does not even hear that it is to stop
      const stuck = Promise.withResolvers<void>();
      let begun = 0;
      const first = await serve(
        async (item) => {
          begun += 1;
          await stuck.promise;
          return echo(item);
        },
        { worker: { leaseMs: 30_000, maxItems: 1, maxJobs: 1 } },
      );
      onTestFinished(() => stuck.resolve());
      const job = await submit(first.jobs, ['a', 'b'], 'stuck');
      await expect.poll(() => begun, { timeout: 30_000 }).toBe(1);
      // its lease is over although it lives: as if it had been stopped for a while
      await database.query("update geo2.jobs set leased_until = now() - interval '1 second' where id = $1", [job.id]);
      const ran: unknown[] = [];
      const second = await serve(async (item) => {
        const result = await echo(item);
        ran.push(result.said);
        return result;
      });
      await second.sweeper?.sweep();
      expect(await ended(second.jobs, job)).toMatchObject({ status: 'succeeded', progress: { completed: 2 } });
      stuck.resolve();
      await first.stop(0);
      expect(begun).toBe(1);
      expect(ran.sort()).toEqual(['a', 'b']);
      expect(await told(job)).toEqual(['succeeded']);
    });

    test('are handed back by a worker that drains, and go on where they stood', async () => {
      const ran: string[] = [];
      const gate = held();
      const first = await serve(
        async (item) => {
          const result = await (ran.length === 0 ? echo(item) : gate.runItem(item));
          ran.push(String(result.said));
          return result;
        },
        { worker: { maxItems: 1 } },
      );
      const job = await submit(first.jobs, ['a', 'b', 'c'], 'drain');
      await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBe(1);
      const stopping = first.stop(30_000);
      gate.open();
      await stopping;
      expect(ran).toEqual(['a', 'b']);
      const second = await serve(async (item) => {
        const result = await echo(item);
        ran.push(String(result.said));
        return result;
      });
      expect(await ended(second.jobs, job)).toMatchObject({ status: 'succeeded', progress: { completed: 3 } });
      expect(ran).toEqual(['a', 'b', 'c']);
      expect(await told(job)).toEqual(['succeeded']);
    });

    test('of one tenant do not wait behind those of another, however many there are', async () => {
      const gate = held();
      const ran: string[] = [];
      const { jobs } = await serve(
        async (item) => {
          const result = await gate.runItem(item);
          ran.push(String(result.said));
          return result;
        },
        { worker: { maxJobs: 2, maxItems: 1 } },
      );
      const images = Array.from({ length: 20 }, (_, i) => `many-${i}`);
      const many = await Promise.all(Array.from({ length: 4 }, () => submit(jobs, images, 'many')));
      await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBe(1);
      const single = await submit(jobs, ['single'], 'single');
      await expect
        .poll(async () => (await jobs.get('single', single.id))?.status, { timeout: 30_000 })
        .toBe('processing');
      const running = await Promise.all(many.map(({ id }) => jobs.get('many', id)));
      expect(running.filter((job) => job?.status === 'processing')).toHaveLength(2);
      // its image asks for a place right after it was taken up, and the next one that is free is its
      for (let opened = 0; !ran.includes('single'); opened++) {
        expect(opened).toBeLessThan(4);
        await expect.poll(() => gate.counts.begun, { timeout: 30_000 }).toBe(opened + 1);
        gate.open();
        await expect.poll(() => ran.length, { timeout: 30_000 }).toBe(opened + 1);
      }
      gate.open();
      expect(await ended(jobs, single)).toMatchObject({ status: 'succeeded' });
      for (const { id } of many) await jobs.cancel('many', id);
    });

    test('are shared by workers without running an item twice', async () => {
      const ran: string[] = [];
      const runItem: RunItem = async (item) => {
        const result = await echo(item);
        ran.push(String(result.said));
        return result;
      };
      const [first] = await Promise.all([serve(runItem), serve(runItem), serve(runItem)]);
      const jobs = await Promise.all(
        Array.from({ length: 9 }, (_, i) => submit(first.jobs, [`${i}-a`, `${i}-b`], 'shared')),
      );
      for (const job of jobs) expect(await ended(first.jobs, job)).toMatchObject({ status: 'succeeded' });
      expect(ran).toHaveLength(18);
      expect(new Set(ran).size).toBe(18);
      for (const job of jobs) expect(await told(job)).toEqual(['succeeded']);
    });

    /** Whether a number has an even count of ones: half of all have, in no rhythm that a loop could fall into step with. */
    const isEvil = (n: number): boolean => n.toString(2).replaceAll('0', '').length % 2 === 0;

    test('count each item once, and end once, where the answers to commits are lost', async () => {
      let commits = 0;
      const losing: Database = {
        ...database,
        async transaction(work) {
          const done = await database.transaction(work);
          commits += 1;
          if (isEvil(commits)) throw new Geo2Error('DATABASE_FAILED', 'the answer was lost');
          return done;
        },
      };
      const { jobs } = await serve(undefined);
      const job = await submit(jobs, ['a', 'b', 'fail:c', 'd'], 'lost');
      await serve(echo, { database: losing, worker: { leaseMs: 1_000 } });
      expect(await ended(jobs, job)).toMatchObject({
        status: 'succeeded',
        progress: { completed: 3, failed: 1, total: 4 },
      });
      expect(commits).toBeGreaterThan(4);
      expect((await eventsOf(jobs, job)).map(({ seq }) => seq)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
      expect(await told(job)).toEqual(['succeeded']);
    });

    test('that end their worker again and again are given up', async () => {
      const { jobs } = await serve(undefined);
      const job = await submit(jobs, ['a'], 'poison');
      await database.query('update geo2.jobs set stalls = 5 where id = $1', [job.id]);
      const working = await serve(echo);
      expect(await ended(working.jobs, job)).toMatchObject({ status: 'failed', error: { code: 'JOB_ABANDONED' } });
    });
  });

  test('a job whose worker is killed goes on in another process with the items that are not done', {
    timeout: 600_000,
  }, async () => {
    const under = await create();
    const storeDir = await mkdtemp(join(tmpdir(), 'geo2-jobs-'));
    onTestFinished(() => rm(storeDir, { recursive: true, force: true }));

    function start(...how: string[]) {
      const script = join(import.meta.dirname, 'jobs-process.ts');
      const child = spawn(process.execPath, [script, ...under.where, storeDir, ...how], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      const lines: string[] = [];
      createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
      return { child, lines, exited: once(child, 'exit') };
    }

    const first = start('submit', '30');
    const done = (lines: string[]) => lines.filter((line) => line.startsWith('item ')).length;
    await expect.poll(() => done(first.lines), { timeout: 300_000 }).toBeGreaterThanOrEqual(5);
    first.child.kill('SIGKILL');
    await first.exited;

    const second = start('work');
    await second.exited;
    const [status] = second.lines.filter((line) => line.startsWith('ended '));
    expect(status).toBe('ended succeeded 30 told succeeded inputs 0 results 30');
    // what was recorded before is not run again; the items in flight are
    expect(done(second.lines)).toBeGreaterThanOrEqual(1);
    expect(done(second.lines)).toBeLessThanOrEqual(26);
  });
}
