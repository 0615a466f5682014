import { z } from '@hono/zod-openapi';
import { checkImageBytes, decodeBase64, type Hold } from './form.ts';
import type { ImageReferenceSchema } from './schemas.ts';

/** Fetches the bytes of an image URL that a caller gave. Errors: IMAGE_URL_REFUSED, IMAGE_URL_FAILED, IMAGE_TOO_LARGE, CANCELED. */
export type FetchImage = (url: string, options: { maxBytes: number; signal: AbortSignal }) => Promise<Uint8Array>;

/** An image as a caller gave it. */
export type GivenImage =
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  | { readonly type: 'url'; readonly url: string };

export interface ImageSourceDeps {
  readonly limits: { readonly maxImageBytes: number };
  readonly fetchImage: FetchImage;
  readonly signal: AbortSignal;
  readonly hold: Hold;
}

/** An image from whichever way it was sent, within the limit. */
export const imageOf = {
  bytes(bytes: Uint8Array, { maxImageBytes }: ImageSourceDeps['limits']): GivenImage {
    checkImageBytes(bytes, maxImageBytes);
    return { type: 'bytes', bytes };
  },

  reference(
    { base64, url }: z.infer<typeof ImageReferenceSchema>,
    limits: ImageSourceDeps['limits'],
    pointer: string,
  ): GivenImage {
    if (base64 !== undefined) return imageOf.bytes(decodeBase64(base64, `${pointer}/base64`), limits);
    return { type: 'url', url: url ?? '' };
  },
};

/** The bytes of an image that was given; those of a URL are fetched. */
export async function readImage(image: GivenImage, deps: ImageSourceDeps): Promise<Uint8Array> {
  if (image.type === 'bytes') return image.bytes;
  const bytes = await deps.fetchImage(image.url, { maxBytes: deps.limits.maxImageBytes, signal: deps.signal });
  deps.hold(bytes.length);
  return bytes;
}

const binary = { schema: z.string().openapi({ type: 'string', format: 'binary' }) };

/** The image itself as a request's body, for the OpenAPI document. */
export const rawBody = {
  'image/jpeg': binary,
  'image/png': binary,
  'image/webp': binary,
  'application/octet-stream': binary,
};
