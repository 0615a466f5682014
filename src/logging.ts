import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * JSON lines, one event each. Nothing of an image, no coordinate and no credential is ever handed to it; the redaction is a
 * second fence for the headers that hold credentials.
 */
export function createLogger(options: { level: string; version: string }, destination?: DestinationStream): Logger {
  const { level, version } = options;
  const settings = {
    level,
    base: { service: 'geo2', version },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: ['headers.authorization', 'headers["x-api-key"]', 'headers.cookie', '*.authorization', '*.token'],
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}
