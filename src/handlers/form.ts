import type { Context } from 'hono';
import { Geo2Error } from '../core/errors.ts';
import { type BodyBudget, readBody } from './body.ts';
import type { AppEnv } from './context.ts';
import { HttpProblem } from './problems.ts';
import { queryOf } from './query.ts';
import { invalidInput, jsonPointer, type PointerOf } from './validate.ts';

/** A request with images, in whichever of the three forms it came. */
export type Form =
  | { readonly type: 'raw'; readonly image: Uint8Array; readonly query: Readonly<Record<string, string>> }
  | { readonly type: 'json'; readonly value: unknown; readonly pointerOf: PointerOf }
  | {
      readonly type: 'multipart';
      readonly images: readonly Uint8Array[];
      readonly options: unknown;
      readonly pointerOf: PointerOf;
    };

/** Counts bytes that were fetched for the request as if they had come in its body. Throws OVERLOADED or BODY_TOO_LARGE. */
export type Hold = (bytes: number) => void;

export interface FormLimits {
  readonly maxImageBytes: number;
  /** Of JSON and multipart bodies, which carry more than the image. */
  readonly maxBodyBytes: number;
  readonly budget: BodyBudget;
}

const RAW_TYPE = /^(image\/[\w.+-]+|application\/octet-stream)$/;
const HELP =
  'send the image’s bytes with its own type (Content-Type: image/jpeg), multipart/form-data with an image part, or application/json';

/**
 * Reads the body under its limits, calls `work` with what it holds, and gives the memory back when that is done.
 * Errors: UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY, BODY_TOO_LARGE, IMAGE_TOO_LARGE, INVALID_REQUEST, OVERLOADED, CANCELED.
 */
export async function withForm<T>(
  c: Context<AppEnv>,
  limits: FormLimits,
  work: (form: Form, hold: Hold) => Promise<T>,
): Promise<T> {
  const header = c.req.header('content-type') ?? '';
  const mediaType = header.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const type = formOf(mediaType);
  const query = queryOf(c.req.url);
  if (type !== 'raw') refuseQuery(query);
  refuseEncoding(c.req.header('content-encoding'));

  const maxBytes = type === 'raw' ? limits.maxImageBytes : limits.maxBodyBytes;
  const { bytes, release } = await readBody(c.req.raw, {
    maxBytes,
    budget: limits.budget,
    signal: c.get('signal'),
  });
  let fetchedBytes = 0;
  const hold: Hold = (more) => {
    if (fetchedBytes + more > limits.maxBodyBytes) {
      throw new HttpProblem(
        'BODY_TOO_LARGE',
        `The images of a request may have ${limits.maxBodyBytes} bytes together.`,
      );
    }
    limits.budget.take(more);
    fetchedBytes += more;
  };
  try {
    if (type === 'raw') return await work({ type, image: bytes, query }, hold);
    if (type === 'json') return await work({ type, ...flattenOptions(parseJson(bytes, 'The body')) }, hold);
    return await work(await parseMultipart(bytes, header), hold);
  } finally {
    release();
    limits.budget.give(fetchedBytes);
  }
}

function formOf(mediaType: string): Form['type'] {
  if (mediaType === 'application/json') return 'json';
  if (mediaType === 'multipart/form-data') return 'multipart';
  if (RAW_TYPE.test(mediaType)) return 'raw';
  const got = mediaType === '' ? 'There is no content type' : `The content type ${mediaType} is not read here`;
  throw new HttpProblem('UNSUPPORTED_MEDIA_TYPE', `${got}: ${HELP}.`, {
    headers: { 'accept-post': 'multipart/form-data, application/json, image/jpeg, image/png, image/webp' },
  });
}

export function refuseQuery(query: Readonly<Record<string, string>>): void {
  const names = Object.keys(query);
  if (names.length === 0) return;
  throw invalidInput(
    names.map((name) => ({
      detail: 'options in the query string go with an image as the body; put them into the body’s options here',
      pointer: jsonPointer([name]),
    })),
  );
}

export function refuseEncoding(encoding: string | undefined): void {
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  throw new HttpProblem(
    'UNSUPPORTED_MEDIA_TYPE',
    `Bodies are read as they are, not with Content-Encoding ${encoding}.`,
  );
}

/** Throws MALFORMED_BODY. */
export function parseJson(json: Uint8Array | string, what: string): unknown {
  const text = typeof json === 'string' ? json : decodeUtf8(json, what);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HttpProblem('MALFORMED_BODY', `${what} is not JSON.`, { cause });
  }
}

/** Throws MALFORMED_BODY. */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HttpProblem('MALFORMED_BODY', `${what} is not text in UTF-8.`, { cause });
  }
}

/** Options stand beside the image, or in `options` as they do in a multipart body. */
function flattenOptions(value: unknown): { value: unknown; pointerOf: PointerOf } {
  if (!isRecord(value) || !isRecord(value.options)) return { value, pointerOf: jsonPointer };
  const { options, ...beside } = value;
  const twice = Object.keys(options).filter((name) => Object.hasOwn(beside, name));
  if (twice.length > 0) {
    throw invalidInput(
      twice.map((name) => ({ detail: 'stands beside options too', pointer: jsonPointer(['options', name]) })),
    );
  }
  const pointerOf: PointerOf = (path) =>
    jsonPointer(path[0] !== undefined && Object.hasOwn(options, path[0]) ? ['options', ...path] : path);
  return { value: { ...beside, ...options }, pointerOf };
}

async function parseMultipart(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<Form> {
  const form = await new Response(bytes, { headers: { 'content-type': contentType } })
    .formData()
    .catch((cause: unknown) => {
      throw new HttpProblem('MALFORMED_BODY', 'The body is no proper multipart/form-data.', { cause });
    });
  const unknown = [...new Set([...form.keys()])].filter((name) => name !== 'image' && name !== 'options');
  if (unknown.length > 0) {
    throw invalidInput(
      unknown.map((name) => ({
        detail: 'is no part of this form: it has image (a file) and options (JSON)',
        pointer: jsonPointer([name]),
      })),
    );
  }
  const images = await Promise.all(
    form.getAll('image').map(async (part) => {
      if (typeof part === 'string') throw invalidInput([{ detail: 'must be a file', pointer: '#/image' }]);
      return new Uint8Array(await part.arrayBuffer());
    }),
  );
  if (images.length === 0) throw invalidInput([{ detail: 'is missing: the image’s file', pointer: '#/image' }]);
  const options = form.getAll('options');
  if (options.length > 1) throw invalidInput([{ detail: 'is given twice', pointer: '#/options' }]);
  return {
    type: 'multipart',
    images,
    options: await parseOptions(options[0]),
    pointerOf: (path) => jsonPointer(['options', ...path]),
  };
}

async function parseOptions(part: File | string | undefined): Promise<unknown> {
  if (part === undefined) return {};
  const bytes = typeof part === 'string' ? new TextEncoder().encode(part) : new Uint8Array(await part.arrayBuffer());
  return bytes.length === 0 ? {} : parseJson(bytes, 'The part options');
}

/** Base64 with or without padding; anything else in it is a mistake. Throws INVALID_REQUEST. */
export function decodeBase64(text: string, pointer: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  const digits = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length;
  if (bytes.length === Math.floor((digits * 3) / 4) && digits % 4 !== 1) return bytes;
  const hint = text.startsWith('data:') ? ': leave out everything up to the comma' : '';
  throw invalidInput([{ detail: `is not base64${hint}`, pointer }]);
}

/** Throws IMAGE_TOO_LARGE before anything looks at the image. */
export function checkImageBytes(bytes: Uint8Array, maxImageBytes: number): void {
  if (bytes.length <= maxImageBytes) return;
  throw new Geo2Error('IMAGE_TOO_LARGE', `An image may have ${maxImageBytes} bytes; this one has ${bytes.length}.`, {
    data: { sizeBytes: bytes.length, maxBytes: maxImageBytes },
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The image of a form that takes one. Throws INVALID_REQUEST. */
export function onlyImage(images: readonly Uint8Array[]): Uint8Array {
  const [image, second] = images;
  if (image !== undefined && second === undefined) return image;
  throw invalidInput([{ detail: 'is given more than once: one image a request', pointer: '#/image' }]);
}
