export type { BatchImage } from './batch.ts';
export {
  createGeo2Client,
  type EmbedUrl,
  type Geo2Client,
  type Geo2ClientOptions,
  type Place,
  pictureOf,
} from './client.ts';
export { Geo2ConnectionError, Geo2Error, Geo2ProblemError, Geo2TimeoutError } from './errors.ts';
export type { ImageBytes, ImageInput, ImageUrl } from './image.ts';
export type { EventsOptions, JobEvent, WaitOptions } from './job-wait.ts';
export type { RetryOptions } from './retry.ts';
export type * from './schema.ts';
export type { CallOptions } from './transport.ts';
