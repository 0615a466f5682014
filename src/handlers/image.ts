import { z } from '@hono/zod-openapi';
import { checkImageBytes, decodeBase64, type Hold } from './form.ts';
import type { ImageReferenceSchema } from './schemas.ts';

/** Fetches the bytes of an image URL that a caller gave. Errors: IMAGE_URL_REFUSED, IMAGE_URL_FAILED, IMAGE_TOO_LARGE, CANCELED. */
export type FetchImage = (url: string, options: { maxBytes: number; signal: AbortSignal }) => Promise<Uint8Array>;

interface ImageSourceDeps {
  readonly limits: { readonly maxImageBytes: number };
  readonly fetchImage: FetchImage;
  readonly signal: AbortSignal;
  readonly hold: Hold;
}

/** An image's bytes from whichever way it was sent, within the limit. */
export const imageOf = {
  bytes(bytes: Uint8Array, { maxImageBytes }: ImageSourceDeps['limits']): Uint8Array {
    checkImageBytes(bytes, maxImageBytes);
    return bytes;
  },

  async reference(
    { base64, url }: z.infer<typeof ImageReferenceSchema>,
    { limits: { maxImageBytes }, fetchImage, signal, hold }: ImageSourceDeps,
    pointer: string,
  ): Promise<Uint8Array> {
    if (base64 !== undefined) return imageOf.bytes(decodeBase64(base64, `${pointer}/base64`), { maxImageBytes });
    const bytes = await fetchImage(url ?? '', { maxBytes: maxImageBytes, signal });
    hold(bytes.length);
    return bytes;
  },
};

const binary = { schema: z.string().openapi({ type: 'string', format: 'binary' }) };

/** The image itself as a request's body, for the OpenAPI document. */
export const rawBody = {
  'image/jpeg': binary,
  'image/png': binary,
  'image/webp': binary,
  'application/octet-stream': binary,
};
