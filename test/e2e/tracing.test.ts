import { describe, expect, onTestFinished, test } from 'vitest';
import { JobSchema } from '../../src/handlers/job-body.ts';
import { problemOf } from '../app-under-test.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../otlp-receiver.ts';
import { imageryTile } from './region-bundle.ts';
import { colourImage, GREEN, postImage, type Service, startService } from './service.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

async function traced(): Promise<{ service: Service; receiver: OtlpReceiver }> {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.stop());
  const service = await startService({
    otlp: { endpoint: receiver.url, serviceName: 'geo2-test' },
    outboundAllow: ['127.0.0.0/8'],
    requestTimeoutMs: 60_000, // the first use of an embedded database makes it
  });
  return { service, receiver };
}

/** What it traced is delivered when it stops. */
async function spansAfterStop({ service, receiver }: { service: Service; receiver: OtlpReceiver }) {
  await service.stop();
  return receiver.spans;
}

function only(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name);
  const [first] = found;
  if (first === undefined || found.length > 1) {
    throw new Error(`${found.length} spans are named ${name}, of ${spans.map((span) => span.name).join(', ')}`);
  }
  return first;
}

describe('a traced request', () => {
  test('is one trace, from the caller’s span down to the run in the inference process', async () => {
    const { service, receiver } = await traced();
    const pid = service.server.engine.model.pid;
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, 'x-request-id': 'traced-request' };
    const response = await postImage(service, await colourImage(GREEN), '?near=0.0003,0.0003,99', headers);
    expect(response.status).toBe(200);
    const spans = await spansAfterStop({ service, receiver });

    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    expect(spans.every((span) => span.service === 'geo2-test')).toBe(true);
    const http = only(spans, 'POST /v1/geolocate');
    expect(http.parentSpanId).toBe(PARENT);
    expect(response.headers.get('traceparent')).toBe(`00-${TRACE}-${http.spanId}-01`);
    expect(http.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/v1/geolocate',
      'http.response.status_code': 200,
      'geo2.request_id': 'traced-request',
    });
    const inference = only(spans, 'inference');
    for (const span of [only(spans, 'decode'), inference, only(spans, 'search')]) {
      expect(span.parentSpanId).toBe(http.spanId);
      expect(span.startMs).toBeGreaterThanOrEqual(http.startMs);
      expect(span.endMs).toBeLessThanOrEqual(http.endMs);
    }
    const run = only(spans, 'inference run');
    expect(run.parentSpanId).toBe(inference.spanId);
    expect(run.attributes['process.pid']).toBe(pid);
    expect(run.endMs).toBeGreaterThan(run.startMs);
    expect(JSON.stringify(spans)).not.toMatch(/0\.0003|near/);
  });

  test('that has an image fetched shows that call, without its address', async () => {
    const { service, receiver } = await traced();
    const { z, x, y } = imageryTile();
    const response = await fetch(`${service.url}/v1/embed`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${TRACE}-${PARENT}-01` },
      body: JSON.stringify({
        view: 'satellite',
        image: { url: `${service.url}/v1/regions/test/imagery/${z}/${x}/${y}?secret=1` },
      }),
    });
    expect(response.status).toBe(200);
    const spans = await spansAfterStop({ service, receiver });
    const outbound = only(spans, 'outbound GET');
    expect(outbound.parentSpanId).toBe(only(spans, 'POST /v1/embed').spanId);
    expect(outbound.attributes).toMatchObject({ 'geo2.outcome': 'answer', 'http.response.status_code': 200 });
    expect(JSON.stringify(outbound)).not.toMatch(/imagery|secret|127\.0\.0\.1/);
    // the other side, which happened to be this service too, was not told of the trace
    const fetched = only(spans, 'GET /v1/regions/:id/imagery/:z/:x/:y');
    expect(fetched.traceId).not.toBe(TRACE);
  });

  test('that makes a job goes on where the job is run; what runs by itself is in no trace, whoever began it', {
    timeout: 240_000,
  }, async () => {
    const { service, receiver } = await traced();
    // the first use of the database, which begins all that works on it
    const response = await postImage(service, await colourImage(GREEN), '', {
      traceparent: `00-${TRACE}-${PARENT}-01`,
      prefer: 'respond-async',
    });
    const { id } = JobSchema.parse(await response.json());
    expect(await service.client.jobs.wait(id)).toMatchObject({ status: 'succeeded' });
    const other = await postImage(service, await colourImage(GREEN), '', { prefer: 'respond-async' });
    await service.client.jobs.wait(JobSchema.parse(await other.json()).id);
    const spans = (await spansAfterStop({ service, receiver })).filter(({ traceId }) => traceId === TRACE);

    const http = only(spans, 'POST /v1/geolocate');
    const job = only(spans, 'job geolocate');
    expect(job.parentSpanId).toBe(http.spanId);
    expect(job.attributes).toMatchObject({ 'geo2.job_id': id, 'geo2.item': 0 });
    for (const name of ['decode', 'inference', 'search']) expect(only(spans, name).parentSpanId).toBe(job.spanId);
    const statements = spans.filter(({ name }) => name === 'database');
    expect(statements.map(({ attributes }) => attributes['db.query.text'])).toContainEqual(
      expect.stringContaining('insert into geo2.jobs'),
    );
    // looking for jobs, claiming one, its lease and its end are nobody's request
    expect(statements.filter(({ startMs }) => startMs > http.endMs)).toEqual([]);
    expect(JSON.stringify(statements)).not.toMatch(/skip locked|leased_until/i);
  });

  test('keeps those apart that share a run', async () => {
    const { service, receiver } = await traced();
    const image = await colourImage(GREEN);
    const traces = Array.from({ length: 6 }, (_, i) => `${i + 1}`.repeat(32));
    const responses = await Promise.all(
      traces.map((trace) => postImage(service, image, '', { traceparent: `00-${trace}-${PARENT}-01` })),
    );
    expect(responses.map(({ status }) => status)).toEqual(traces.map(() => 200));
    const spans = await spansAfterStop({ service, receiver });
    for (const trace of traces) {
      const names = spans.filter(({ traceId }) => traceId === trace).map(({ name }) => name);
      expect(names.sort()).toEqual(['POST /v1/geolocate', 'decode', 'inference', 'inference run', 'search'].sort());
    }
  });

  test('that fails marks its spans, and the problem names the trace', async () => {
    const { service, receiver } = await traced();
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01` };
    const problem = await problemOf(await postImage(service, new TextEncoder().encode('no image'), '', headers));
    expect(problem).toMatchObject({ code: 'IMAGE_UNSUPPORTED', traceId: TRACE });
    const line = service.log.find(({ msg }) => msg === 'request');
    expect(line).toMatchObject({ traceId: TRACE });
    const spans = await spansAfterStop({ service, receiver });
    expect(only(spans, 'decode')).toMatchObject({ failed: true, attributes: { 'error.type': 'IMAGE_UNSUPPORTED' } });
    expect(only(spans, 'POST /v1/geolocate').attributes).toMatchObject({ 'error.type': 'IMAGE_UNSUPPORTED' });
  });

  test('without a caller’s trace begins one, which answer, log and problem name; a probe does not', async () => {
    const { service, receiver } = await traced();
    const response = await fetch(`${service.url}/v1/nowhere`);
    await fetch(`${service.url}/v2/health/ready`);
    const problem = await problemOf(response);
    expect(response.headers.get('traceparent')).toMatch(new RegExp(`^00-${problem.traceId}-[0-9a-f]{16}-01$`));
    const spans = await spansAfterStop({ service, receiver });
    expect(spans.map(({ name, traceId }) => [name, traceId])).toEqual([['GET unmatched', problem.traceId]]);
  });

  test('that its caller does not keep is not delivered, and stays in its trace', async () => {
    const { service, receiver } = await traced();
    const response = await fetch(`${service.url}/v1/regions`, {
      headers: { traceparent: `00-${TRACE}-${PARENT}-00` },
    });
    expect(response.headers.get('traceparent')).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    expect(await spansAfterStop({ service, receiver })).toEqual([]);
  });
});

describe('a receiver that is not there', () => {
  test('costs no request, and little time at the end', async () => {
    const receiver = await startOtlpReceiver();
    await receiver.stop();
    const service = await startService({ otlp: { endpoint: receiver.url, serviceName: 'geo2-test' } });
    expect((await fetch(`${service.url}/v1/regions`)).status).toBe(200);
    const stoppedAtMs = performance.now();
    await service.stop();
    expect(performance.now() - stoppedAtMs).toBeLessThan(10_000);
  });
});
