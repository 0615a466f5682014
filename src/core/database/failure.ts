import { Geo2Error } from '../errors.ts';

/** Any error of a driver as DATABASE_FAILED; the domain's own errors stay as they are. */
export function databaseFailure(cause: unknown, doing = 'A statement failed'): Geo2Error {
  if (cause instanceof Geo2Error) return cause;
  const sqlState = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new Geo2Error('DATABASE_FAILED', `${doing}: ${message}`, {
    data: sqlState === undefined ? {} : { sqlState },
    cause,
  });
}
