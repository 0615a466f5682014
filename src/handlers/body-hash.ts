import { createHash } from 'node:crypto';

/** A request whose body is hashed while somebody reads it. */
export interface HashedRequest {
  /** To be read instead of the original, whose body it passes on. */
  readonly request: Request;
  /** The hash, once all of the body was read; of a short body that nobody wanted the rest is read. Else undefined. */
  digest(): Promise<string | undefined>;
}

/** A body that nobody has read is read for its hash up to here. */
const MAX_UNREAD_BYTES = 64 * 1024;

/** Hashes what a request says (query string, media type, body) without holding it. */
export function hashRequest(original: Request): HashedRequest {
  const hasher = createRequestHasher(original);
  const source = original.body?.getReader();
  if (source === undefined) return { request: original, digest: async () => hasher.digest() };

  let hasEnded = false;
  let error: unknown;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const part = await source.read();
          if (part.done) {
            hasEnded = true;
            controller.close();
            return;
          }
          hasher.update(part.value);
          controller.enqueue(part.value);
        } catch (cause) {
          error = cause;
          throw cause;
        }
      },
      cancel: (reason) => source.cancel(reason),
    },
    { highWaterMark: 0 }, // nothing is read that nobody asked for
  );
  const request = new Request(original.url, {
    method: original.method,
    headers: original.headers,
    signal: original.signal,
    body,
    duplex: 'half',
  });

  async function readRest(): Promise<void> {
    if (hasEnded || error !== undefined || !isShort(original) || request.body?.locked !== false) return;
    const reader = request.body.getReader();
    try {
      while (!(await reader.read()).done);
    } catch {
      // a body that broke off has no hash
    }
  }

  return {
    request,
    async digest() {
      await readRest();
      return hasEnded ? hasher.digest() : undefined;
    },
  };
}

/** Whether the body's end is near: it is stated to be short, or there is none. */
function isShort({ headers }: Request): boolean {
  const declared = headers.get('content-length');
  return headers.get('transfer-encoding') === null && Number(declared ?? 0) <= MAX_UNREAD_BYTES;
}

export interface RequestHasher {
  update(bytes: Uint8Array): void;
  /** SHA-256, hexadecimal. */
  digest(): string;
}

/**
 * A form's boundary is another one each time that a client sends the same form, so it does not count: wherever it delimits, only
 * the dashes before it are hashed.
 */
export function createRequestHasher({ url, headers }: Pick<Request, 'url' | 'headers'>): RequestHasher {
  const contentType = headers.get('content-type') ?? '';
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const hash = createHash('sha256').update(`${new URL(url).search}\n${mediaType}\n`);
  const boundary = mediaType === 'multipart/form-data' ? boundaryIn(contentType) : undefined;
  if (boundary === undefined) {
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
  }

  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  let held = Buffer.alloc(0); // what may be the beginning of a delimiter
  return {
    update(bytes) {
      const buffer = Buffer.concat([held, bytes]);
      let from = 0;
      for (let at = buffer.indexOf(delimiter); at >= 0; at = buffer.indexOf(delimiter, from)) {
        hash.update(buffer.subarray(from, at)).update('--');
        from = at + delimiter.length;
      }
      const keepFrom = Math.max(from, buffer.length - delimiter.length + 1);
      hash.update(buffer.subarray(from, keepFrom));
      held = buffer.subarray(keepFrom);
    },
    digest: () => hash.update(held).digest('hex'),
  };
}

function boundaryIn(contentType: string): string | undefined {
  const [, quoted, token] = /;[ \t]*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType) ?? [];
  return quoted ?? token;
}
