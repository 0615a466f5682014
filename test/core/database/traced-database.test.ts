import { expect, onTestFinished, test } from 'vitest';
import { createPgliteDatabase } from '#core/database/database.pglite.ts';
import { traceDatabase } from '#core/database/traced-database.ts';
import { createOtlpTracer } from '#core/tracing/tracer.otlp.ts';
import { startOtlpReceiver } from '../../otlp-receiver.ts';
import { temporaryFolder } from '../../temporary.ts';

test('statements are spans of the work that makes them, with their text and without their values', {
  timeout: 90_000,
}, async () => {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.stop());
  const tracer = createOtlpTracer({
    endpoint: receiver.url,
    serviceName: 'geo2',
    version: '0',
    onFailure: (error) => {
      throw error;
    },
  });
  const pglite = createPgliteDatabase({ dataDir: await temporaryFolder(), migrations: [] });
  const database = traceDatabase(pglite, tracer);
  onTestFinished(() => database.stop());

  await database.query('create table note (text text)'); // nobody's request
  const rows = await tracer.span('request', async () => {
    await database.transaction(async (sql) => {
      await sql.query('insert into note\n  values ($1)', ['a secret value']);
    });
    await expect(database.query('select * from nowhere where x = $1', ['another one'])).rejects.toThrow();
    return database.query("select text from note where text <> 'written out'");
  });
  await tracer.stop();

  expect(rows).toEqual([{ text: 'a secret value' }]);
  const request = receiver.spans.find(({ name }) => name === 'request');
  const statements = receiver.spans.filter(({ name }) => name === 'database');
  expect(statements.map(({ parentSpanId }) => parentSpanId)).toEqual(statements.map(() => request?.spanId));
  expect(statements).toMatchObject([
    { failed: false, attributes: { 'db.system.name': 'pglite', 'db.query.text': 'insert into note values ($1)' } },
    { failed: true, attributes: { 'error.type': 'DATABASE_FAILED', 'db.operation.name': 'select' } },
    { failed: false, attributes: { 'db.operation.name': 'select' } },
  ]);
  expect(JSON.stringify(receiver.spans)).not.toMatch(/secret value|another one|written out|create table/);
});
