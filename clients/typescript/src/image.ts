/** An image as a program has it. A stream is read to its end before it is sent: a call that is tried again sends it again. */
export type ImageBytes = Blob | ArrayBuffer | Uint8Array | ReadableStream<Uint8Array>;

/** An image that the service fetches by itself: http or https, at an address that it reaches. */
export interface ImageUrl {
  readonly url: string;
}

export type ImageInput = ImageBytes | ImageUrl;

export function isImageUrl(image: object): image is ImageUrl {
  return 'url' in image && typeof image.url === 'string';
}

/** The bytes as a file; its name tells nothing, because the service recognises images by their first bytes. */
export async function blobOf(image: ImageBytes): Promise<Blob> {
  if (image instanceof Blob) return image;
  if (image instanceof ReadableStream) return new Response(image).blob();
  return new Blob([image instanceof ArrayBuffer ? image : new Uint8Array(image)]);
}
