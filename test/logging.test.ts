import { expect, test } from 'vitest';
import { createLogger } from '../src/logging.ts';

test('a credential that is handed over by mistake is not written, at whatever depth it is likely to stand', () => {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', version: '0' }, { write: (line) => void lines.push(line) });
  const credentials = {
    authorization: 'Bearer marked',
    'x-api-key': 'marked',
    cookie: 'session=marked',
    'set-cookie': 'session=marked',
    apiKey: 'marked',
    token: 'marked',
    secret: 'whsec_marked',
    password: 'marked',
  };
  logger.info(credentials, 'beside the message');
  logger.info({ headers: credentials }, 'one below');
  logger.info({ request: { headers: credentials, method: 'GET' } }, 'two below');
  logger.child(credentials).info('of every line');
  expect(lines).toHaveLength(4);
  expect(lines.join('')).not.toMatch(/marked/);
  expect(lines[2]).toMatch(/"method":"GET"/); // the rest is left as it is
});
