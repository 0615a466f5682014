import * as z from 'zod';
import { Geo2Error } from '../errors.ts';

/** What the SDK's errors have in common, as far as it is read here. */
const FailureSchema = z.looseObject({
  name: z.string().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  $metadata: z.looseObject({ httpStatusCode: z.number().optional() }).optional(),
  $response: z.looseObject({ statusCode: z.number().optional() }).optional(),
});

/** Codes of a connection that was not made, or broke. */
const NETWORK = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'TimeoutError',
];
/** Refusals that pass. */
const PASSING = [
  'ConditionalRequestConflict',
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
];

export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = read(error);
  return $metadata?.httpStatusCode ?? $response?.statusCode;
}

/** `NoSuchKey`, as the server has it, or the SDK's own. */
export function nameOf(error: unknown): string {
  const { name, code } = read(error);
  return code ?? name ?? 'unknown';
}

/** Whether no server was reached at all, as opposed to one that refuses. */
export function isUnreachable(error: unknown): boolean {
  return statusOf(error) === undefined;
}

/**
 * Whether the same request may succeed later. A clock that is off is worth one more attempt: by then the SDK has taken over the
 * server's time from its answer.
 */
export function isTransientS3(error: unknown, attempt: number): boolean {
  const [name, status] = [nameOf(error), statusOf(error) ?? 0];
  if (name === 'RequestTimeTooSkewed') return attempt === 1;
  return isNetwork(error) || PASSING.includes(name) || status === 429 || (status >= 500 && status !== 501);
}

/** The error to tell: which of address, bucket, credentials, permission, region and clock is wrong, and what to do. */
export function explainS3(
  error: unknown,
  { bucket, endpoint, region, key }: { bucket: string; endpoint: string | undefined; region: string; key: string },
): Geo2Error {
  const name = nameOf(error);
  const at = endpoint ?? `Amazon S3 in ${region}`;
  const told = (message: string): Geo2Error =>
    new Geo2Error('STORE_FAILED', message, { data: { key, bucket, reason: name }, cause: error });
  if (statusOf(error) === 412) {
    return new Geo2Error('STORE_CONFLICT', `${key} was not written: it has changed since, or exists already.`, {
      data: { key },
      cause: error,
    });
  }
  if (isNetwork(error) || (isUnreachable(error) && !name.includes('Credentials'))) {
    return told(`The S3 server ${at} cannot be reached (${name}): check GEO2_S3_ENDPOINT, and that it runs.`);
  }
  if ((statusOf(error) ?? 0) >= 500 || name === 'SlowDown') {
    return told(`${at} cannot serve ${key} in ${bucket} now (${describe(error)}): try again, or look at the server.`);
  }
  switch (name) {
    case 'NoSuchBucket':
      return told(`There is no bucket ${bucket} at ${at}: create it, or correct GEO2_STORE.`);
    case 'InvalidAccessKeyId':
      return told(`${at} does not know the access key: check AWS_ACCESS_KEY_ID, or the profile that is used.`);
    case 'SignatureDoesNotMatch':
      return told(`The secret is not the one of the access key at ${at}: check AWS_SECRET_ACCESS_KEY.`);
    case 'ExpiredToken':
    case 'InvalidToken':
    case 'TokenRefreshRequired':
      return told(`The session token has run out or is not one of ${at}: get new credentials.`);
    case 'RequestTimeTooSkewed':
      return told(
        `The clocks of this machine and of ${at} differ by more than signatures allow: set this clock (NTP).`,
      );
    case 'AccessDenied':
    case 'Forbidden':
      return told(
        `${at} does not let these credentials do that with ${key} in ${bucket}: reading needs s3:GetObject and ` +
          `s3:ListBucket, publishing s3:PutObject and s3:DeleteObject as well.`,
      );
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return told(`The bucket ${bucket} is not in ${region}: set GEO2_S3_REGION to its region.`);
    case 'CredentialsProviderError':
      return told(
        `There are no credentials for ${at}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role of this machine.`,
      );
    default:
      return told(`${at} refuses ${key} in ${bucket} (${describe(error)}); check GEO2_STORE and GEO2_S3_ENDPOINT.`);
  }
}

function isNetwork(error: unknown): boolean {
  const { message = '' } = read(error);
  return NETWORK.includes(nameOf(error)) || message.includes('socket hang up') || message === 'aborted';
}

function describe(error: unknown): string {
  const { message = '' } = read(error);
  const status = statusOf(error);
  const text = `${nameOf(error)}${message === '' ? '' : `: ${message.split('\n', 1)[0]?.slice(0, 200)}`}`;
  return status === undefined ? text : `HTTP ${status}, ${text}`;
}

function read(error: unknown): z.infer<typeof FailureSchema> {
  if (!(error instanceof Error)) return {};
  const { name, message } = error;
  const own = FailureSchema.safeParse({ ...error, name, message });
  // the SDK hides its copy of the answer from enumeration
  const answer = FailureSchema.safeParse({ $response: '$response' in error ? error.$response : undefined });
  return { ...(own.success ? own.data : { name, message }), ...(answer.success ? answer.data : {}) };
}
