import { type DestinationStream, type Logger, pino } from 'pino';

/** Members whose value never is for a reader of logs, wherever they stand. */
const SECRET_NAMES = ['authorization', 'x-api-key', 'cookie', 'set-cookie', 'apiKey', 'token', 'secret', 'password'];

/**
 * JSON lines, one event each. Nothing of an image, no coordinate and no credential is ever handed to it; the redaction is a
 * second fence, for what is handed over by mistake.
 */
export function createLogger(options: { level: string; version: string }, destination?: DestinationStream): Logger {
  const { level, version } = options;
  const settings = {
    level,
    base: { service: 'geo2', version },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: SECRET_NAMES.flatMap((name) => ['', '*', '*.*'].map((where) => `${where}["${name}"]`)),
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}
